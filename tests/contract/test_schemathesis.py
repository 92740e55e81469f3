"""The mock against requests that nobody thought of: schemathesis makes them up from openapi.yaml.

What it may meet is in schemathesis.toml, and the rules that are words in openapi.yaml are in hooks.py.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from incident_io_keys import AccountRole, KeysClient
from incident_io_keys.testing import MockAPI
from incident_io_keys_generated import contract

from ..conftest import without_last_use
from ..spec import ROOT

pytestmark = pytest.mark.exhaustive

HERE = Path(__file__).parent
# Those of the contract, of which the mock plays all.
OPERATIONS = {
    name.removeprefix("OPERATION_").lower(): value
    for name, value in vars(contract).items()
    if name.startswith("OPERATION_")
}
PHASES = ("examples", "coverage", "fuzzing", "stateful")

# Well below what there is today: another version of schemathesis may make up others, but not next to none.
LEAST_CASES = 400
LEAST_SUCCESSES = 25
LEAST_REFUSALS = {"list_api_keys": 10, "create_api_key": 40, "update_api_key": 40, "rotate_api_key": 10}


class Watched(MockAPI):
    """A mock that counts what it answers: the status by the path's template and the method."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Counter[tuple[str, str, int]] = Counter()

    def respond(self, request: httpx.Request) -> httpx.Response:
        response = super().respond(request)
        self.answers[_template(request), request.method, response.status_code] += 1
        return response


def _template(request: httpx.Request) -> str:
    path = request.url.raw_path.partition(b"?")[0].decode("ascii")
    templates = {template for _, template in OPERATIONS.values()}
    return next((one for one in templates if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", one), path)), path)


@pytest.mark.anything_is_sent
def test_the_mock_keeps_the_contract_whatever_is_sent(tmp_path: Path) -> None:
    mock = Watched()
    mock.settings.rate_limit = None
    for number in range(40):
        mock.add_key(f"key {number}", ["viewer"])
    # The caller is younger than what is listed: a run that comes across its own key may delete it, and sees only 401
    # from then on. What is left are the creators of new keys.
    mock.settings.list_delay = timedelta(hours=1)
    mock.clock.advance(2 * mock.settings.list_delay)
    caller = mock.add_key("caller", AccountRole)

    with mock.serve() as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"),
                *("run", ROOT / "openapi.yaml", "--url", server.url),
                *("--header", f"Authorization: Bearer {caller.token.reveal()}"),
                *("--checks", "all", "--phases", ",".join(PHASES)),
                *("--report-json-path", "report.json", "--no-color"),
            ],
            cwd=tmp_path,
            # Neither a proxy nor a .netrc gets between.
            env={**os.environ, "SCHEMATHESIS_HOOKS": str(HERE / "hooks.py"), "NO_PROXY": "*", "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=100,
            check=False,
        )
    met_itself = any(caller.api_key.id in request.url.path for request in mock.requests)
    if done.returncode or met_itself:
        advice = "\nThe run came across its own key: take another seed." if met_itself else ""
        pytest.fail(done.stdout + advice, pytrace=False)

    # It tested what it should, and did not just find nothing.
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["operations"]["tested"] == len(OPERATIONS) == 6
    assert {phase: report["phases"][phase]["status"] for phase in PHASES} == dict.fromkeys(PHASES, "success")
    assert report["test_cases"]["generated"] >= LEAST_CASES
    for name, (method, template) in OPERATIONS.items():
        statuses = {status: mock.answers[template, method, status] for status in (200, 201, 204, 401, 422)}
        assert sum(statuses[status] for status in (200, 201, 204)) >= LEAST_SUCCESSES, (name, statuses)
        assert statuses[422] >= LEAST_REFUSALS.get(name, 0), (name, statuses)
        # Twice without a token, and once with a wrong one.
        assert statuses[401] >= 3, (name, statuses)
    for template in {template for _, template in OPERATIONS.values()}:
        assert mock.answers[template, "PATCH", 405]

    # The last request was as good as the first.
    with KeysClient(caller.token, transport=mock.transport()) as keys:
        assert without_last_use(keys.show(caller.api_key.id)) == caller.api_key

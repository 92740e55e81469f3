"""The mock as a command, for programs in any language: `incident-io-keys mock`, and its own paths."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from incident_io_keys.cli import main
from incident_io_keys.testing import MockAPI
from incident_io_keys.testing.faults import FAULTS

from .conftest import without_last_use

COMMAND = [str(Path(sys.executable).parent / "incident-io-keys"), "mock"]


@pytest.fixture
def http(mock: MockAPI) -> Iterator[httpx.Client]:
    """A client of the mock on a socket, as a program in any language would be."""
    headers = {"Authorization": f"Bearer {mock.token.reveal()}"}
    with (
        mock.serve(control=True) as server,
        httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client,
    ):
        yield client


def status(http: httpx.Client, token: str | None = None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return http.get("/v1/api_keys", headers=headers).status_code


def test_the_clock_can_be_read_moved_and_stopped(mock: MockAPI, http: httpx.Client) -> None:
    before = datetime.fromisoformat(http.get("/_mock/clock").json()["now"])
    moved = http.post("/_mock/clock", json={"advance_seconds": 3600, "freeze": True}).json()["now"]
    assert timedelta(hours=1) <= datetime.fromisoformat(moved) - before < timedelta(hours=2)
    assert http.get("/_mock/clock").json()["now"] == moved
    assert http.post("/_mock/clock", json={"advance_seconds": 0.5}).json()["now"] > moved
    moved = http.get("/_mock/clock").json()["now"]
    assert mock.clock.now() == datetime.fromisoformat(moved)


def test_requests_can_be_let_fail_by_every_fault_s_name(http: httpx.Client) -> None:
    body = {"fault": "status", "status": 503, "operation": "list", "times": 2}
    assert http.post("/_mock/fail_next", json=body).status_code == 204
    assert [status(http) for _ in range(3)] == [503, 503, 200]
    arguments: dict[str, Any] = {
        "status": {"status": 500},
        "drop_property": {"path": "api_keys"},
        "slow": {"seconds": 0},
    }
    for name in FAULTS:
        answer = http.post("/_mock/fail_next", json={"fault": name, **arguments.get(name, {})})
        assert answer.status_code == 204, answer.text


def test_keys_can_be_added_as_in_the_dashboard(http: httpx.Client) -> None:
    body = {"name": "team manager", "team_ids": ["A"], "team_role_names": ["api_keys_manage"]}
    added = http.post("/_mock/keys", json=body).json()
    listed = http.get("/v1/api_keys", headers={"Authorization": f"Bearer {added['token']}"}).json()["api_keys"]
    assert [without_last_use(key) for key in listed] == [added["api_key"]]
    assert added["api_key"]["creator"]["user"]


def test_settings_can_be_read_and_changed(mock: MockAPI, http: httpx.Client) -> None:
    settings = http.get("/_mock/settings").json()
    assert settings["rate_limit"] == 1200
    assert settings["list_delay"] == "P0D"
    wanted = {"rate_limit": None, "list_delay": 2.5, "retry_after": "rfc3339"}
    changed = http.patch("/_mock/settings", json=wanted).json()
    assert changed == {**settings, **wanted, "list_delay": "PT2.5S"}
    assert mock.settings.list_delay == timedelta(seconds=2.5)
    assert http.patch("/_mock/settings", json={"list_delay": "PT1M"}).json()["list_delay"] == "PT60S"


def test_what_arrived_can_be_read_and_forgotten(http: httpx.Client) -> None:
    http.put("/v1/api_keys/x?a=b", content="{", headers={"X-Own": "1"})
    [request] = http.get("/_mock/requests").json()
    assert (request["method"], request["path"], request["body"]) == ("PUT", "/v1/api_keys/x?a=b", "{")
    assert (request["headers"]["x-own"], request["headers"]["authorization"]) == ("1", "<redacted>")
    assert http.delete("/_mock/requests").status_code == 204
    assert http.get("/_mock/requests").json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("POST", "fail_next", {"fault": "flood"}, "fault must be one of status, "),
        ("POST", "fail_next", {"fault": "status"}, "status"),
        ("POST", "fail_next", {"fault": "reset", "operation": "creat"}, "operation must be one of list"),
        ("POST", "fail_next", {"fault": ["reset"]}, "fault must be"),
        ("POST", "fail_next", [], "Expected `object`"),
        ("POST", "clock", {"advance_seconds": -1}, "does not go back"),
        ("POST", "clock", {"advance_seconds": 1e300}, "large"),
        ("POST", "clock", {"advance_seconds": 1e12}, "does not go as far"),
        ("POST", "clock", {"advance": 1}, "advance"),
        ("POST", "keys", {"name": ""}, "name must have"),
        ("POST", "keys", {"name": "a", "role_names": "viewer"}, "role_names must be an array"),
        ("POST", "keys", {"name": "a", "roles": []}, "known: name, role_names, team_ids, team_role_names"),
        ("POST", "clock", {"freeze": False}, "freeze, which is true"),
        ("POST", "clock", {"advance_seconds": True}, "advance_seconds, a number"),
        ("POST", "clock", {}, "takes advance_seconds"),
        ("POST", "fail_next", {"fault": "slow"}, "missing a required argument: 'seconds'; known: seconds"),
        ("POST", "keys", {}, "name"),
        ("PATCH", "settings", {"retry_after": "soon", "rate_limit": None}, "retry_after"),
        ("PATCH", "settings", {"rate_limits": 3}, "rate_limits"),
        ("PATCH", "settings", {"list_delay": -1}, "list_delay"),
        ("PATCH", "settings", {"list_delay": "soon"}, "duration"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    mock: MockAPI, http: httpx.Client, method: str, path: str, body: Any, said: str
) -> None:
    mock.clock.freeze()
    before = http.get("/_mock/settings").json(), http.get("/_mock/clock").json()
    answer = http.request(method, f"/_mock/{path}", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]
    assert "Attribute(" not in answer.json()["error"]
    assert (http.get("/_mock/settings").json(), http.get("/_mock/clock").json()) == before
    assert http.get("/_mock/fail_next").json() == {"left": 0}
    assert status(http) == 200


def test_a_clock_that_cannot_be_moved_is_not_stopped_either(mock: MockAPI, http: httpx.Client) -> None:
    assert http.post("/_mock/clock", json={"freeze": True, "advance_seconds": -1}).status_code == 422
    before = mock.clock.now()
    assert mock.clock.now() > before


def test_a_body_of_any_depth_is_read(http: httpx.Client) -> None:
    assert http.post("/_mock/clock", content=b"[" * 100_000).status_code == 422


def test_faults_that_have_not_happened_can_be_counted_and_cleared(http: httpx.Client) -> None:
    http.post("/_mock/fail_next", json={"fault": "reset", "times": 3})
    assert http.get("/_mock/fail_next").json() == {"left": 3}
    assert http.delete("/_mock/fail_next").status_code == 204
    assert http.get("/_mock/fail_next").json() == {"left": 0}


def test_what_cannot_be_written_is_500(tmp_path: Path) -> None:
    mock = MockAPI(tmp_path / "keys.db")
    mock.close()
    with mock.serve(control=True) as server:
        for path, body in (("clock", {"advance_seconds": 1}), ("keys", {"name": "x"})):
            answer = httpx.post(f"{server.url}/_mock/{path}", json=body, trust_env=False)
            assert (answer.status_code, "nothing was written" in answer.json()["error"]) == (500, True)


def test_a_path_that_is_none_names_those_that_are(http: httpx.Client) -> None:
    answer = http.get("/_mock/nothing")
    assert answer.status_code == 404
    assert "POST /_mock/fail_next" in answer.json()["error"]


def test_without_being_asked_the_mock_has_no_paths_of_its_own(mock: MockAPI) -> None:
    with mock.serve() as server:
        assert httpx.get(f"{server.url}/_mock/clock", trust_env=False).json()["type"] == "not_found"


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """The command, once it answers: its process, the URL and the token that it tells."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().rstrip().partition("=") for _ in range(2)]
            assert [name for name, _, _ in lines] == ["INCIDENT_ENDPOINT", "INCIDENT_API_KEY"]
            yield process, lines[0][2], lines[1][2]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(number: int) -> None:
    with running("--seed-keys", "3") as (process, url, token):
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False) as http:
            names = [key["name"] for key in http.get("/v1/api_keys").json()["api_keys"]]
            assert names == ["Manager", "Seed key 1", "Seed key 2", "Seed key 3"]
            assert http.get("/_mock/clock").status_code == 200
            for _ in range(2):  # as one does who is impatient
                process.send_signal(number)
            assert process.wait(10) == 0
        assert (process.stdout and process.stdout.read(), process.stderr and process.stderr.read()) == ("", "")


def test_the_command_tells_where_it_is_and_leaves_signals_as_they_were(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []

    def meanwhile(_: object) -> None:
        url, token = (line.partition("=")[2] for line in capsys.readouterr().out.splitlines())
        asked.append(httpx.get(f"{url}/v1/api_keys", headers={"Authorization": f"Bearer {token}"}, trust_env=False))

    impatience = iter([{signal.SIGINT}, set(), set(), set()])
    waits = iter([meanwhile, lambda _: None, meanwhile])
    monkeypatch.setattr(signal, "sigwait", lambda signals: next(waits)(signals))
    monkeypatch.setattr(signal, "sigpending", lambda: next(impatience, set()))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for _ in range(2):
        assert main(["mock", "--db", str(tmp_path / "keys.db"), "--seed-keys", "1"]) == 0
    assert [len(response.json()["api_keys"]) for response in asked] == [2, 2]
    assert main(["mock", "--port", "65536"]) == 1
    assert "65536 is not in the range 0<=x<=65535" in capsys.readouterr().err
    assert main(["mock", "--db", str(tmp_path)]) == 1
    assert capsys.readouterr() == ("", f"incident-io-keys mock: {tmp_path}: Is a directory; take another path\n")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_busy_port_is_named(mock: MockAPI, capsys: pytest.CaptureFixture[str]) -> None:
    with mock.serve() as server:
        port = server.url.rpartition(":")[2]
        assert main(["mock", "--port", port]) == 1
    assert capsys.readouterr().err == f"incident-io-keys mock: port {port}: Address already in use\n"


def test_with_a_file_the_command_goes_on_where_it_was(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        with running("--db", str(tmp_path / "keys.db"), "--seed-keys", "1") as (_, url, token):
            headers = {"Authorization": f"Bearer {token}"}
            keys = httpx.get(f"{url}/v1/api_keys", headers=headers, trust_env=False).json()["api_keys"]
            told.append((token, [without_last_use(key) for key in keys]))
            # and it is killed
    assert told[0] == told[1]
    assert len(told[0][1]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "70000"], "'--port'"),
        (["--port"], "'--port'"),
        (["--db", "/"], "/"),
        (["--db", ""], "'--db': the path is empty; is a shell variable unset?"),
        (["--seed-keys", "many"], "'--seed-keys'"),
        (["--seed-keys", "5000"], "'--seed-keys'"),
    ],
)
def test_a_command_that_cannot_run_says_why(arguments: list[str], message: str) -> None:
    result = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 1
    assert result.stdout == ""
    assert "incident-io-keys mock: " in result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr

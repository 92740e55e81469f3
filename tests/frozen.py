"""A program that uses all of the package while time is frozen, and then once more. `test_frozen_time.py` runs it.

Run it as `python -m tests.frozen TOOL MOMENT`. It imports the package inside of functions, so that with the moment
`import` the first import happens while time is frozen.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .delays import skip_delays

TOOLS = ("freezegun", "freezegun, real asyncio", "time-machine")
MOMENTS = ("import", "decode", "later")


def freeze(tool: str) -> Any:
    """Return a context manager that freezes time."""
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    if tool == "time-machine":
        import time_machine

        return time_machine.travel(now, tick=False)
    import freezegun

    return freezegun.freeze_time(now, real_asyncio=tool != "freezegun")


def is_now(instant: datetime, age: timedelta = timedelta(), *, frozen: bool) -> bool:
    """Return whether an instant is of that age: exactly so if time is frozen."""
    found = datetime.now(UTC) - instant
    return found == age if frozen else age <= found < age + timedelta(minutes=1)


def use_client(mock: Any, keys: Any, *, frozen: bool) -> None:
    from incident_io_keys import InvalidResponseError, NotFoundError
    from incident_io_keys.testing import faults

    issued = keys.create(name="a", role_names=["viewer"], comments="c")
    key = issued.api_key
    assert is_now(key.created_at, frozen=frozen)
    assert is_now(key.token_last_issued_at, frozen=frozen)
    assert datetime.fromisoformat(key.to_dict()["created_at"]) == key.created_at
    assert keys.show(key.id) == key
    assert keys.update(key.id, name="b", role_names=[], team_ids=[], team_role_names=[]).name == "b"
    assert is_now(keys.rotate(key.id).api_key.token_last_issued_at, frozen=frozen)
    keys.delete(key.id)
    with raises(NotFoundError):
        keys.show(key.id)
    old = mock.add_key("old", ["viewer"], age_seconds=86_400 * 100).api_key
    assert is_now(old.created_at, timedelta(days=100), frozen=frozen)
    for fault in (faults.Status(503), faults.RateLimited(1, form="http_date"), faults.RateLimited(1, form="rfc3339")):
        mock.fail_next(fault)
    assert keys.show(old.id) == old
    mock.fail_next(faults.DropProperty("api_key.created_at"))
    with raises(InvalidResponseError):
        keys.show(old.id)
    assert mock.faults_left() == 0
    names = [each.name for each in keys.list()]
    assert names == [each.name for each in keys.list(prefetch=True)]
    assert names[0] == "Manager"


def use_model(mock: Any) -> None:
    """Put a datetime of this moment, which may be of a class of freezegun, into a model."""
    from attrs import evolve

    key = mock.add_key("model").api_key
    now = datetime.now(UTC)
    changed = evolve(key, created_at=now, last_used_at=now)
    again = type(key).from_dict(json.loads(json.dumps(changed.to_dict())))
    assert again == changed
    assert hash(again) == hash(changed)


def use_state_file(directory: Path) -> None:
    from incident_io_keys import KeysClient
    from incident_io_keys.testing import MockAPI

    path = directory / "keys.db"
    path.unlink(missing_ok=True)
    with MockAPI(path=path) as mock, KeysClient(mock.token, transport=mock.transport()) as keys:
        issued = keys.create(name="kept", role_names=[])
        rotated = keys.rotate(issued.api_key.id, grace_period_minutes=10)
        mock.clock.advance(timedelta(minutes=1))
    with MockAPI(path=path) as mock, KeysClient(mock.token, transport=mock.transport()) as keys:
        assert [key.name for key in keys.list()] == ["Manager", "kept"]
        assert keys.show(issued.api_key.id).token_last_issued_at == rotated.api_key.token_last_issued_at


def use_storage(mock: Any, keys: Any, directory: Path) -> None:
    """Create and rotate a key into a file, lose a token, and resume from the journal."""
    from incident_io_keys import IncidentIOError
    from incident_io_keys.storage import FileStore, create_into, resume, rotate_into
    from incident_io_keys.testing import faults

    files = directory / "tokens"
    files.mkdir(mode=0o700, exist_ok=True)
    store = FileStore(files)
    key = create_into(keys, store, name="stored", role_names=["viewer"]).api_key
    mock.clock.advance(timedelta(seconds=1))  # resume detects a rotation only by its time
    rotate_into(keys, store, key.id)
    mock.clock.advance(timedelta(seconds=1))
    mock.fail_next(faults.Close(), operation="rotate")
    with raises(IncidentIOError):
        rotate_into(keys, store, key.id)
    assert [each.status for each in resume(keys, store)] == ["completed"]
    mock.fail_next(faults.Close(), operation="create")
    with raises(IncidentIOError):
        create_into(keys, store, name=f"lost {key.id}", role_names=["viewer"])
    [left] = resume(keys, store)
    assert left.operation == "create"
    mock.clock.advance(timedelta(minutes=1))
    resume(keys, store, now=datetime.now(UTC) + timedelta(hours=1))
    assert not resume(keys, store)


def use_command(mock: Any, url: str, directory: Path) -> None:
    from incident_io_keys.cli import main

    os.environ.update(
        INCIDENT_ENDPOINT=url, INCIDENT_API_KEY=mock.token.reveal(), XDG_STATE_HOME=str(directory / "state")
    )

    def run(*arguments: str) -> Any:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            code = main([*arguments, "--output", "json"])
        assert code == 0, arguments
        return json.loads(out.getvalue())

    key = mock.add_key("by the command", ["viewer"], age_seconds=86_400 * 100).api_key
    assert "Manager" in [each["name"] for each in run("list")]
    assert key.id in [each["id"] for each in run("list", "--older-than", "90 days")]
    assert run("show", key.id)["id"] == key.id
    assert run("audit")["keys"] > 1


def use_deadline(mock: Any, make: Callable[..., Any], url: str) -> None:
    """Call a server whose response never ends. Only the deadline of the client ends such a call."""
    from incident_io_keys import APITimeoutError
    from incident_io_keys.testing import faults

    with closing(make(mock.token, base_url=url, deadline=0.2, attempts=1)) as keys:
        mock.fail_next(faults.Drip())
        with raises(APITimeoutError):
            list(keys.list())


@contextlib.contextmanager
def closing(client: Any) -> Iterator[Any]:
    """Close a client after the `with` block, and its event loop if it has one."""
    with client:
        yield client
    if hasattr(client, "end"):
        client.end()


@contextlib.contextmanager
def raises(kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was not raised")


def use_everything(directory: Path, *, frozen: bool, frozen_loop: bool) -> None:
    """Use the package. With `frozen_loop`, no timer of an event loop ends, and no async call can time out."""
    from incident_io_keys import KeysClient
    from incident_io_keys.testing import MockAPI

    from .twins import Blocking

    mock = MockAPI()
    with skip_delays(), mock.serve() as server:
        for make in (KeysClient, Blocking):
            for reached in ({"transport": mock.transport()}, {"base_url": server.url}):
                with closing(make(mock.token, **reached)) as keys:
                    use_client(mock, keys, frozen=frozen)
            if make is KeysClient or not frozen_loop:
                use_deadline(mock, make, server.url)
        use_model(mock)
        use_state_file(directory)
        with KeysClient(mock.token, base_url=server.url) as keys:
            use_storage(mock, keys, directory)
        use_command(mock, server.url, directory)


def main(tool: str, moment: str) -> None:
    # A program that hangs shows where, and ends.
    faulthandler.dump_traceback_later(40, exit=True)
    loop = tool == "freezegun"
    with TemporaryDirectory() as place:
        directory = Path(place)
        if moment == "later":
            use_everything(directory, frozen=False, frozen_loop=False)
        elif moment == "decode":
            import incident_io_keys.cli._main
            import incident_io_keys.storage
            import incident_io_keys.testing

            incident_io_keys.KeysClient("inc_0").close()  # a client imports more
        with freeze(tool):
            use_everything(directory, frozen=True, frozen_loop=loop)
        use_everything(directory, frozen=False, frozen_loop=False)


if __name__ == "__main__":
    main(*sys.argv[1:])

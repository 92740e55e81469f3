"""Async calls while the interpreter shuts down: a token is stored, or nothing was issued, or an entry is pending."""

from __future__ import annotations

from pathlib import Path

import pytest

from incident_io_keys import KeysClient
from incident_io_keys.storage import FileStore, resume
from incident_io_keys.testing import MockAPI

from ..programs import run
from .doing import named, works

PROGRAM = """
import threading
from datetime import UTC, datetime, timedelta
from incident_io_keys.storage import FileStore, create_into, rotate_due, rotate_into

async def call_async():
    store = FileStore({directory!r})
    async with AsyncKeysClient({token!r}, base_url=URL, attempts=1, deadline=5) as keys:
        {call}

def report():
    try:
        asyncio.run(call_async())
        os.write(1, b"success")
    except IncidentIOError as error:
        os.write(1, f"own error: {{error.code}}".encode())
    except BaseException as error:
        os.write(1, repr(error).encode())

def after_main():
    threading.main_thread().join()
    report()

{moment}
"""
CALLS = {
    "create": "await create_into(keys, store, name='new', role_names=['viewer'])",
    "rotate": "await rotate_into(keys, store, {key_id!r})",
    "rotate_due": "await rotate_due(keys, store, older_than='1 day', where=lambda key: key.name == 'old')",
}
MOMENTS = {
    "after the main thread": "threading.Thread(target=after_main).start()",
    "in an atexit handler": "atexit.register(report)",
    "after the threads have ended": "threading._register_atexit(report)",
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
@pytest.mark.parametrize("operation", CALLS)
def test_no_token_is_lost(operation: str, moment: str, mock: MockAPI, tmp_path: Path) -> None:
    old = mock.add_key("old", ["viewer"], age_seconds=86_400 * 2).api_key
    call = CALLS[operation].format(key_id=old.id)
    with mock.serve() as server:
        fields = {"directory": str(tmp_path), "token": mock.token.reveal(), "call": call, "moment": moment}
        outcome = run(PROGRAM.format(**fields), server.url)
    assert outcome == "success" or outcome.startswith("own error: ")
    store = FileStore(tmp_path)
    key_ids = [key.id for key in named(mock, "new")] if operation == "create" else [old.id]
    if outcome == "success":
        assert all(works(mock, store.load(key_id)) for key_id in key_ids)
        assert len(key_ids) == 1
    with KeysClient(mock.token, transport=mock.transport()) as client:
        assert {found.status for found in resume(client, store)} <= {"completed"}
    issued = [request for request in mock.requests if request.method == "POST"]
    assert bool(issued) == any(store.load(key_id) is not None for key_id in key_ids)

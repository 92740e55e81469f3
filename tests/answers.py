"""Makes answers as the facade has them, for tests that send nothing."""

from __future__ import annotations

from typing import Any

import httpx

from incident_io_keys._answers import Answer


def answer_of(status: int, **of_a_response: Any) -> Answer:
    """An answer; the arguments are those of `httpx.Response`."""
    response = httpx.Response(status, **of_a_response)
    return Answer(status, response.headers, response.content)

"""The API's behaviour in memory, for the tests of whoever uses it.

Nothing here knows the client: a mock that shared the client's code would share its mistakes. What it knows is the
contract, and what the API's documentation says beyond it.
"""

from ._mock import MockAPI, MockClock
from ._server import MockServer

__all__ = ["MockAPI", "MockClock", "MockServer"]

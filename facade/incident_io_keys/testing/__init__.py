"""The API's behaviour in memory, for the tests of whoever uses it.

Nothing here knows the client: a mock that shared the client's code would share its mistakes. What it knows is the
contract, and what the API's documentation says beyond it.
"""

from . import faults
from ._clock import MockClock
from ._mock import MockAPI
from ._server import MockServer
from ._settings import MockSettings
from ._store import MockStateError

__all__ = ["MockAPI", "MockClock", "MockServer", "MockSettings", "MockStateError", "faults"]

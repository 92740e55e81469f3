# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class ErrorDebug(_Model):
    """For the API's own developers.

    Attributes:
        message: What happened.
        stacktrace: Where it happened.
    """

    message: str
    stacktrace: tuple[str, ...]

# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class ErrorSource(_Model):
    """The part of the request that is wrong.

    Attributes:
        field: The name of the field. Optional. Example: name.
        pointer: Where in the body it stands. Optional.
    """

    field: str | None = None
    pointer: str | None = None

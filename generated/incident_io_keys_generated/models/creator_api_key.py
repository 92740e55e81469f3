# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class CreatorAPIKey(_Model):
    """A key that created another one.

    Attributes:
        id: The ID of the key. Example: 01FCNDV6P870EA6S7TK1DSYDG0.
        name: What people call the key. Example: My test API key.
    """

    id: str
    name: str

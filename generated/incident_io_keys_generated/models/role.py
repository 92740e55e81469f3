# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class Role(_Model):
    """A role that a key has.

    Attributes:
        name: The name of the role. It may be one that this contract does not know yet. Example: viewer.
        description: What the role allows. Example: Can create incidents.
    """

    name: str
    description: str

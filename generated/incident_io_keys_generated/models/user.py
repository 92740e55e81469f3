# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class User(_Model):
    """A person.

    Attributes:
        id: The ID of the person. Example: 01FCNDV6P870EA6S7TK1DSYDG0.
        name: What the person is called. Example: Jo Example.
        role: The name of the person's role. It may be one that this contract does not know yet. Example: viewer.
        email: The person's address. Optional. Example: jo@example.com.
        slack_user_id: The ID of the person in Slack. Optional. Example: U02AYNF2XJM.
    """

    id: str
    name: str
    role: str
    email: str | None = None
    slack_user_id: str | None = None

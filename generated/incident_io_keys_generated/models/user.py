# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

from typing import Any

from attrs import NOTHING as _NOTHING
from attrs import asdict as _asdict
from attrs import frozen as _frozen
from msgspec import convert as _convert
from msgspec import to_builtins as _to_builtins


@_frozen(kw_only=True)
class User:
    """A person.

    Attributes:
        id: The ID of the person. Example: 01FCNDV6P870EA6S7TK1DSYDG0.
        name: What the person is called. Example: Jo Example.
        role: The name of the person's role. It may be one that this contract does not know yet. Example: viewer.
        email: The person's address. None where it is absent. Example: jo@example.com.
        slack_user_id: The ID of the person in Slack. None where it is absent. Example: U02AYNF2XJM.
    """

    id: str
    name: str
    role: str
    email: str | None = None
    slack_user_id: str | None = None

    @classmethod
    def from_dict(cls, src_dict: Any) -> User:
        """Read what `json.loads` gives; `msgspec.ValidationError` names the first place that does not fit."""
        return _convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Make what `json.dumps` takes. An optional property that is None is left out."""
        present = _asdict(self, filter=lambda field, value: value is not None or field.default is _NOTHING)
        members: dict[str, Any] = _to_builtins(present)
        return members

# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

from typing import Any

from attrs import NOTHING as _NOTHING
from attrs import asdict as _asdict
from attrs import frozen as _frozen
from msgspec import convert as _convert
from msgspec import to_builtins as _to_builtins

from ..models.creator_api_key import CreatorAPIKey
from ..models.user import User


@_frozen(kw_only=True)
class Creator:
    """Who created a key, another key or a person. One of the two is there.

    Attributes:
        api_key: A key that created another one. None where it is absent.
        user: A person. None where it is absent.
    """

    api_key: CreatorAPIKey | None = None
    user: User | None = None

    @classmethod
    def from_dict(cls, src_dict: Any) -> Creator:
        """Read what `json.loads` gives; `msgspec.ValidationError` names the first place that does not fit."""
        return _convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Make what `json.dumps` takes. An optional property that is None is left out."""
        present = _asdict(self, filter=lambda field, value: value is not None or field.default is _NOTHING)
        members: dict[str, Any] = _to_builtins(present)
        return members

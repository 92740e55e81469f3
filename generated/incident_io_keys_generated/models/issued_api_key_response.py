# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

from typing import Any

from attrs import NOTHING as _NOTHING
from attrs import asdict as _asdict
from attrs import field as _field
from attrs import frozen as _frozen
from msgspec import convert as _convert
from msgspec import to_builtins as _to_builtins

from ..models.api_key import APIKey


@_frozen(kw_only=True)
class IssuedAPIKeyResponse:
    """A key and the token that was just issued for it.

    Attributes:
        api_key: An API key. Its token is not part of it.
        token: The bearer token of the key. Store it securely; no other response contains it. Example:
            inc_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.
    """

    api_key: APIKey
    token: str = _field(repr=False)

    @classmethod
    def from_dict(cls, src_dict: Any) -> IssuedAPIKeyResponse:
        """Read what `json.loads` gives; `msgspec.ValidationError` names the first place that does not fit."""
        return _convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Make what `json.dumps` takes. An optional property that is None is left out."""
        present = _asdict(self, filter=lambda field, value: value is not None or field.default is _NOTHING)
        members: dict[str, Any] = _to_builtins(present)
        return members

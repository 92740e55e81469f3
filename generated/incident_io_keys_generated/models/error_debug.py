# Made from openapi.yaml by scripts/generate. Do not edit.
from __future__ import annotations

from typing import Any

from attrs import NOTHING as _NOTHING
from attrs import asdict as _asdict
from attrs import frozen as _frozen
from msgspec import convert as _convert
from msgspec import to_builtins as _to_builtins


@_frozen(kw_only=True)
class ErrorDebug:
    """For the API's own developers.

    Attributes:
        message: What happened.
        stacktrace: Where it happened.
    """

    message: str
    stacktrace: list[str]

    @classmethod
    def from_dict(cls, src_dict: Any) -> ErrorDebug:
        """Read what `json.loads` gives; `msgspec.ValidationError` names the first place that does not fit."""
        return _convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Make what `json.dumps` takes. An optional property that is None is left out."""
        present = _asdict(self, filter=lambda field, value: value is not None or field.default is _NOTHING)
        members: dict[str, Any] = _to_builtins(present)
        return members

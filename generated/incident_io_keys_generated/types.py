# Made from openapi.yaml by scripts/generate. Do not edit.
"""What all models share."""

import datetime as _datetime
from typing import TYPE_CHECKING, Any, Self

from attrs import NOTHING, asdict
from msgspec import convert, to_builtins

if TYPE_CHECKING:
    from datetime import date, datetime
else:
    # While freezegun freezes time, these names of the standard library stand for subclasses, which msgspec cannot decode.
    date, datetime = (
        next(each for each in kind.__mro__ if each.__module__ == "datetime")
        for kind in (_datetime.date, _datetime.datetime)
    )


class Model:
    """An object of the API."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, src_dict: Any) -> Self:
        """Return the model of what `json.loads` returned.

        Raises:
            msgspec.ValidationError: It does not fit the schema. The message names the first place that does not.
        """
        return convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that `json.dumps` takes. It omits optional properties that are None."""
        # mypy: this class has no attributes of its own; each model is an attrs class.
        present = asdict(self, filter=lambda field, value: value is not None or field.default is NOTHING)  # type: ignore[arg-type]
        members: dict[str, Any] = to_builtins(present, enc_hook=_isoformat)
        return members


def _isoformat(value: Any) -> str:
    # Only a subclass of datetime or date gets here, such as one of freezegun.
    if isinstance(value, _datetime.date):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")

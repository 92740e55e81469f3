# Made from openapi.yaml by scripts/generate. Do not edit.
"""The base class of all models."""

import datetime as _datetime
import re
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn, Self

from attrs import NOTHING, asdict
from msgspec import convert

if TYPE_CHECKING:
    from datetime import date as date
    from datetime import datetime as datetime
else:
    # While freezegun freezes time, these names of the standard library stand for subclasses, which msgspec cannot decode.
    date, datetime = (
        next(each for each in kind.__mro__ if each.__module__ == "datetime")
        for kind in (_datetime.date, _datetime.datetime)
    )

UTC = _datetime.UTC


class Model:
    """An object of the API."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, src_dict: Any) -> Self:
        """Return a model from parsed JSON.

        Raises:
            msgspec.ValidationError: The data does not match the schema. The message names the first mismatch.
        """
        return convert(src_dict, cls)

    def to_dict(self) -> dict[str, Any]:
        """Return a dictionary that `json.dumps` accepts. It omits optional properties that are None."""
        return asdict(
            self,  # type: ignore[arg-type]  # not this class, but each model is an attrs class
            filter=lambda field, value: value is not None or field.default is NOTHING,
            value_serializer=_plain,
        )


class FrozenDict(dict[str, Any]):
    """A dictionary that cannot be changed: what a model has where its schema is a mapping."""

    __slots__ = ()

    def _fail(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a value in a model cannot be changed")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _fail

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Any]]]:
        return type(self), (dict(self),)


def _plain(_model: Any, _field: Any, value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, _datetime.date):  # datetimes too
        return re.sub(r"\+00:00$", "Z", value.isoformat())
    return value

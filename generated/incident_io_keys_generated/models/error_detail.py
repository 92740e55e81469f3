# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import field as _field
from attrs import frozen as _frozen

from ..models.error_detail_metadata import ErrorDetailMetadata
from ..models.error_source import ErrorSource
from ..types import FrozenDict as _FrozenDict
from ..types import Model as _Model


@_frozen(kw_only=True)
class ErrorDetail(_Model):
    """One thing that is wrong.

    Attributes:
        code: What is wrong, for programs. Example: is_required.
        message: What is wrong, for people.
        source: The part of the request that is wrong. Optional.
        metadata: Further facts. Optional.
    """

    code: str
    message: str
    source: ErrorSource | None = None
    metadata: ErrorDetailMetadata | None = _field(default=None, hash=False)

    def __attrs_post_init__(self) -> None:
        if self.metadata is not None:
            object.__setattr__(self, "metadata", _FrozenDict(self.metadata))

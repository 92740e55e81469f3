# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..models.api_key import APIKey
from ..models.pagination_meta import PaginationMeta
from ..types import Model as _Model


@_frozen(kw_only=True)
class ListAPIKeysResponse(_Model):
    """A page of keys.

    Attributes:
        api_keys: The keys of this page.
        pagination_meta: Where this page stands among the pages.
    """

    api_keys: tuple[APIKey, ...]
    pagination_meta: PaginationMeta

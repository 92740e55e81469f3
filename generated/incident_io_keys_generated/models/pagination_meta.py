# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class PaginationMeta(_Model):
    """Where this page stands among the pages.

    Attributes:
        page_size: How many keys this page was allowed to hold. Example: 25.
        after: What to ask for to get the next page. Absent on the last page. Optional. Example:
            01FCNDV6P870EA6S7TK1DSYDG0.
    """

    page_size: int
    after: str | None = None

# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class RateLimit(_Model):
    """The limit that was hit; in the body of a 429.

    Attributes:
        name: Which limit it is.
        limit: How many requests it allows.
        remaining: How many are left.
        retry_after: When to try again, in one of the forms of the header `Retry-After`.
    """

    name: str
    limit: int
    remaining: int
    retry_after: str

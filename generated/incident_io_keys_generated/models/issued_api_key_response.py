# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import field as _field
from attrs import frozen as _frozen

from ..models.api_key import APIKey
from ..types import Model as _Model


@_frozen(kw_only=True)
class IssuedAPIKeyResponse(_Model):
    """A key and the token that was just issued for it.

    Attributes:
        api_key: An API key. Its token is not part of it.
        token: The bearer token of the key. Store it securely; no other response contains it. Example:
            inc_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.
    """

    api_key: APIKey
    token: str = _field(repr=False)

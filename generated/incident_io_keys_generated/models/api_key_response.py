# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..models.api_key import APIKey
from ..types import Model as _Model


@_frozen(kw_only=True)
class APIKeyResponse(_Model):
    """A key.

    Attributes:
        api_key: An API key. Its token is not part of it.
    """

    api_key: APIKey

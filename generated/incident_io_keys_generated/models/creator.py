# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..models.creator_api_key import CreatorAPIKey
from ..models.user import User
from ..types import Model as _Model


@_frozen(kw_only=True)
class Creator(_Model):
    """Who created a key, another key or a person. One of the two is there.

    Attributes:
        api_key: A key that created another one. Optional.
        user: A person. Optional.
    """

    api_key: CreatorAPIKey | None = None
    user: User | None = None

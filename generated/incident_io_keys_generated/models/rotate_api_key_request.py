# Made from openapi.yaml by scripts/generate. Do not edit.

from attrs import frozen as _frozen

from ..types import Model as _Model


@_frozen(kw_only=True)
class RotateAPIKeyRequest(_Model):
    """How to rotate a token.

    Attributes:
        grace_period_minutes: For how many minutes the previous token keeps working; 0 stops it at once. Example: 30.
    """

    grace_period_minutes: int = 30

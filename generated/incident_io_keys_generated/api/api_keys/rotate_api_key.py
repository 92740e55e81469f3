# Made from openapi.yaml by scripts/generate. Do not edit.
from typing import Any
from urllib.parse import quote

from ...models.rotate_api_key_request import RotateAPIKeyRequest


def build_request(
    id: str,
    *,
    body: RotateAPIKeyRequest,
) -> dict[str, Any]:
    """Return the arguments of `httpx.Client.build_request` for `rotate_api_key`.

    Args:
        id: The ID of the key.
        body: How to rotate a token.
    """
    return {
        "method": "POST",
        "url": "/v1/api_keys/{id}/actions/rotate".format(
            id=quote(str(id), safe=""),
        ),
        "json": body.to_dict(),
    }

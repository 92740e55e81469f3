# Made from openapi.yaml by scripts/generate. Do not edit.
from typing import Any

from ...models.api_key_definition import APIKeyDefinition


def build_request(
    *,
    body: APIKeyDefinition,
) -> dict[str, Any]:
    """Return the arguments of `httpx.Client.build_request` for `create_api_key`.

    Args:
        body: What a key is: its name and what it may do. `team_ids` and `team_role_names` go together: either both
            are empty, or neither is.
    """
    return {
        "method": "POST",
        "url": "/v1/api_keys",
        "json": body.to_dict(),
    }

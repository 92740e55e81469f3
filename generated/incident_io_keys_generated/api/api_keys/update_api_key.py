# Made from openapi.yaml by scripts/generate. Do not edit.
from typing import Any
from urllib.parse import quote

from ...models.api_key_definition import APIKeyDefinition


def build_request(
    id: str,
    *,
    body: APIKeyDefinition,
) -> dict[str, Any]:
    """Return the arguments of `httpx.Client.build_request` for `update_api_key`.

    Args:
        id: The ID of the key.
        body: What a key is: its name and what it may do. `team_ids` and `team_role_names` go together: either both
            are empty, or neither is.
    """
    return {
        "method": "PUT",
        "url": "/v1/api_keys/{id}".format(
            id=quote(str(id), safe=""),
        ),
        "json": body.to_dict(),
    }

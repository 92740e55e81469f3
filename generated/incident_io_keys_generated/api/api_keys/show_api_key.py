# Made from openapi.yaml by scripts/generate. Do not edit.
from typing import Any
from urllib.parse import quote


def build_request(
    id: str,
) -> dict[str, Any]:
    """Return the arguments of `httpx.Client.build_request` for `show_api_key`.

    Args:
        id: The ID of the key.
    """
    return {
        "method": "GET",
        "url": "/v1/api_keys/{id}".format(
            id=quote(str(id), safe=""),
        ),
    }

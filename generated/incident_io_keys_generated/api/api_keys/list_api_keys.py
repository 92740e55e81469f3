# Made from openapi.yaml by scripts/generate. Do not edit.
from typing import Any


def build_request(
    *,
    page_size: int | None = None,
    after: str | None = None,
) -> dict[str, Any]:
    """Return the arguments of `httpx.Client.build_request` for `list_api_keys`.

    Args:
        page_size: How many keys the page may hold at the most.
        after: The ID of a key; the page starts behind it, in the order in which the API lists keys.
    """
    params = {
        "page_size": page_size,
        "after": after,
    }
    return {
        "method": "GET",
        "url": "/v1/api_keys",
        "params": {name: value for name, value in params.items() if value is not None},
    }

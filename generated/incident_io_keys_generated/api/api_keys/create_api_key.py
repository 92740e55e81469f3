# Made from openapi.yaml by scripts/generate. Do not edit.
from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.api_key_definition import APIKeyDefinition
from ...models.error_response import ErrorResponse
from ...models.issued_api_key_response import IssuedAPIKeyResponse
from ...types import Response


def _get_kwargs(
    *,
    body: APIKeyDefinition,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/api_keys",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> ErrorResponse | IssuedAPIKeyResponse | None:
    if response.status_code == 201:
        response_201 = IssuedAPIKeyResponse.from_dict(response.json())

        return response_201

    if response.status_code == 400:
        response_400 = ErrorResponse.from_dict(response.json())

        return response_400

    if response.status_code == 401:
        response_401 = ErrorResponse.from_dict(response.json())

        return response_401

    if response.status_code == 403:
        response_403 = ErrorResponse.from_dict(response.json())

        return response_403

    if response.status_code == 404:
        response_404 = ErrorResponse.from_dict(response.json())

        return response_404

    if response.status_code == 405:
        response_405 = ErrorResponse.from_dict(response.json())

        return response_405

    if response.status_code == 406:
        response_406 = ErrorResponse.from_dict(response.json())

        return response_406

    if response.status_code == 408:
        response_408 = ErrorResponse.from_dict(response.json())

        return response_408

    if response.status_code == 409:
        response_409 = ErrorResponse.from_dict(response.json())

        return response_409

    if response.status_code == 412:
        response_412 = ErrorResponse.from_dict(response.json())

        return response_412

    if response.status_code == 413:
        response_413 = ErrorResponse.from_dict(response.json())

        return response_413

    if response.status_code == 422:
        response_422 = ErrorResponse.from_dict(response.json())

        return response_422

    if response.status_code == 429:
        response_429 = ErrorResponse.from_dict(response.json())

        return response_429

    if response.status_code == 500:
        response_500 = ErrorResponse.from_dict(response.json())

        return response_500

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[ErrorResponse | IssuedAPIKeyResponse]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: APIKeyDefinition,
) -> Response[ErrorResponse | IssuedAPIKeyResponse]:
    """Create an API key

     Creates a key and issues its token. The token is returned this once. A caller can hand out only
    roles whose scopes are among its own, and `api_keys_manage` cannot be assigned here at all, only in
    the dashboard. An organisation has at most 5,000 active keys.

    Args:
        body (APIKeyDefinition): What a key is: its name and what it may do. `team_ids` and
            `team_role_names` go together: either both are empty, or neither is.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | IssuedAPIKeyResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: APIKeyDefinition,
) -> ErrorResponse | IssuedAPIKeyResponse | None:
    """Create an API key

     Creates a key and issues its token. The token is returned this once. A caller can hand out only
    roles whose scopes are among its own, and `api_keys_manage` cannot be assigned here at all, only in
    the dashboard. An organisation has at most 5,000 active keys.

    Args:
        body (APIKeyDefinition): What a key is: its name and what it may do. `team_ids` and
            `team_role_names` go together: either both are empty, or neither is.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | IssuedAPIKeyResponse
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: APIKeyDefinition,
) -> Response[ErrorResponse | IssuedAPIKeyResponse]:
    """Create an API key

     Creates a key and issues its token. The token is returned this once. A caller can hand out only
    roles whose scopes are among its own, and `api_keys_manage` cannot be assigned here at all, only in
    the dashboard. An organisation has at most 5,000 active keys.

    Args:
        body (APIKeyDefinition): What a key is: its name and what it may do. `team_ids` and
            `team_role_names` go together: either both are empty, or neither is.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[ErrorResponse | IssuedAPIKeyResponse]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: APIKeyDefinition,
) -> ErrorResponse | IssuedAPIKeyResponse | None:
    """Create an API key

     Creates a key and issues its token. The token is returned this once. A caller can hand out only
    roles whose scopes are among its own, and `api_keys_manage` cannot be assigned here at all, only in
    the dashboard. An organisation has at most 5,000 active keys.

    Args:
        body (APIKeyDefinition): What a key is: its name and what it may do. `team_ids` and
            `team_role_names` go together: either both are empty, or neither is.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        ErrorResponse | IssuedAPIKeyResponse
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed

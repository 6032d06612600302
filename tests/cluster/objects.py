"""Objects that tests make as the administrator."""

from typing import Any

from kubernetes_asyncio import client


async def apply(
    admin: client.ApiClient, path: str, body: dict[str, Any], method: str = "POST"
) -> None:
    """Create an object, or leave the one that is there; with PUT, replace it."""
    try:
        await admin.call_api(path, method, body=body, auth_settings=["BearerToken"])
    except client.ApiException as error:
        if error.status != 409:
            raise

"""Links in the OpenAPI document: what can be done with a deployment that was just made."""

from typing import Any

_MAKE = ("createDeployment", "retryDeployment", "rollBackToDeployment")
_TAKE = (
    "getDeployment",
    "watchDeployment",
    "cancelDeployment",
    "deleteDeployment",
    "retryDeployment",
    "rollBackToDeployment",
)


def add_links(document: dict[str, Any]) -> None:
    """Say of each operation that makes a deployment which ones take its id."""
    links = {
        each: {
            "operationId": each,
            "parameters": {
                "toolname": "$request.path.toolname",
                "deploy_id": "$response.body#/data/deploy-id",
            },
        }
        for each in _TAKE
    }
    for path in document["paths"].values():
        for operation in path.values():
            if operation.get("operationId") in _MAKE:
                operation["responses"]["201"]["links"] = links

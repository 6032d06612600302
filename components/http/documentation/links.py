"""Links in the OpenAPI document: the operations on a deployment that was just created."""

from typing import Any

_CREATING = ("createDeployment", "retryDeployment", "rollBackToDeployment")
_BY_ID = (
    "getDeployment",
    "watchDeployment",
    "cancelDeployment",
    "deleteDeployment",
    "retryDeployment",
    "rollBackToDeployment",
)


def add_links(document: dict[str, Any]) -> None:
    """Link each operation that creates a deployment to those that take its id."""
    links = {
        each: {
            "operationId": each,
            "parameters": {
                "toolname": "$request.path.toolname",
                "deploy_id": "$response.body#/data/deploy-id",
            },
        }
        for each in _BY_ID
    }
    for path in document["paths"].values():
        for operation in path.values():
            if operation.get("operationId") in _CREATING:
                operation["responses"]["201"]["links"] = links

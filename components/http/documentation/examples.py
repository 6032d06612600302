"""Examples in the OpenAPI document, by the name of their schema."""

from typing import Any

_CONFIGURATION = {
    "config_version": "v1beta1",
    "components": {
        "web": {
            "build": {"repository": "https://git.example.org/mytool.git", "ref": "main"},
            "run": {"command": "web", "port": 8000, "health_check_http": "/health"},
        },
        "nightly": {
            "build": {"reuse_from": "web"},
            "run": {"command": "clean", "schedule": "@daily", "timeout": 3600},
        },
    },
}

_BUILD = {
    "build-id": "build-id-1234",
    "status": "RUNNING",
    "message": "",
    "image": None,
    "digest": None,
    "commit": None,
    "start-time": "2024-04-04T12:00:01.000000Z",
    "end-time": None,
    "reused-from": None,
}

_DEPLOYMENT = {
    "deploy-id": "mytool-deploy-20240404120000-4821",
    "creation-time": "2024-04-04T12:00:00.000000Z",
    "status": "RUNNING",
    "message": "",
    "description": "the fix for the broken link",
    "builds": {"web": _BUILD, "nightly": _BUILD | {"message": "reuses the build of 'web'"}},
    "runs": {},
}

_MESSAGES: dict[str, list[str]] = {"info": [], "warning": [], "error": []}

_PREVIEW = {
    "builds": {
        "web": {
            "action": "build",
            "repository": "https://git.example.org/mytool.git",
            "ref": "main",
            "commit": "2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69",
            "reused-from": None,
            "reason": "no stored deployment has a build of this commit",
        }
    },
    "runs": {},
}

_RUNNING: dict[str, Any] = {
    "components": {
        "web": {
            "health": "healthy",
            "message": "",
            "image": "registry.example.org/mytool/web@sha256:" + 64 * "0",
            "commit": "2b66fd261ee5c6cfc8de7fa466bab600bcfe4f69",
            "deploy-id": "mytool-deploy-20240404120000-4821",
            "schedule": None,
            "ready": 1,
            "replicas": 1,
            "restarts": 0,
            "start-time": "2024-04-04T12:00:30.000000Z",
            "url": "https://mytool.example.org/",
            "next-time": None,
            "drift": [],
        }
    }
}

EXAMPLES: dict[str, Any] = {
    "Configuration": _CONFIGURATION,
    "Deployment": _DEPLOYMENT,
    "ErrorResponse": {"data": None, "messages": _MESSAGES | {"error": ["what is wrong"]}},
    "Messages": _MESSAGES,
    "Deploy": {"description": "the fix for the broken link", "components": ["web"]},
    "RepeatedDeploy": {"description": "try again"},
    "Preview": _PREVIEW,
    "Running": _RUNNING,
}

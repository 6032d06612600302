"""PipelineRuns as JSON: names and labels of ours, and Tekton's status of a run."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from backends.builders.base import BuildRequest, BuildState, BuildStatus

GROUP, VERSION, PLURAL = "tekton.dev", "v1", "pipelineruns"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "components-api"
TOOL = "components-api/tool"
COMPONENT = "components-api/component"
KEY = "components-api/key"
IMAGE = "components-api/image"

# The reasons of a False `Succeeded` condition (tekton.dev/docs/pipelines/pipelineruns, "Monitoring
# execution status").
_CANCELLED = ("Cancelled", "CancelledRunFinally", "StoppedRunFinally", "PipelineRunCancelled")
_TIMED_OUT = ("PipelineRunTimeout", "TaskRunTimeout")

Json = Mapping[str, Any]


def name_of(request: BuildRequest) -> str:
    """Return the name of a request's run, derived from its key: a DNS label."""
    digest = hashlib.sha256(f"{request.tool}\0{request.key}".encode()).hexdigest()[:16]
    return f"{request.tool[:20]}-{request.component[:24]}".strip("-") + f"-{digest}"


def selector_of(tool: str) -> str:
    """Return the label selector of a tool's runs."""
    return f"{MANAGED_BY}={MANAGER},{TOOL}={tool}"


def run_of(request: BuildRequest, template: Json, image: str) -> dict[str, Any]:
    """Return the PipelineRun of a request; `template` has its spec, and metadata if any."""
    metadata = template.get("metadata") or {}
    own = {MANAGED_BY: MANAGER, TOOL: request.tool, COMPONENT: request.component}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "PipelineRun",
        "metadata": {
            "name": name_of(request),
            "labels": {**(metadata.get("labels") or {}), **own},
            "annotations": {
                **(metadata.get("annotations") or {}),
                KEY: f"{request.tool} {request.key}",
                IMAGE: image,
            },
        },
        "spec": template["spec"],
    }


def is_run_of(run: Json, request: BuildRequest) -> bool:
    """Whether a run was created for a request, not by another client under the same name."""
    annotations = run["metadata"].get("annotations") or {}
    return bool(annotations.get(KEY) == f"{request.tool} {request.key}")


def belongs_to(run: Json, tool: str) -> bool:
    """Whether a run is managed by this service and belongs to a tool."""
    labels = run["metadata"].get("labels") or {}
    return bool(labels.get(MANAGED_BY) == MANAGER and labels.get(TOOL) == tool)


def state_of(run: Json, results: Mapping[str, str]) -> BuildState:
    """Return the state of a run; `results` maps our names to those of the pipeline's results."""
    status = run.get("status") or {}
    condition = _succeeded(status)
    state, message = _outcome(condition, status)
    if (run.get("spec") or {}).get("status") and not state.is_final:
        message = "is being cancelled"
    known = {
        each["name"]: str(each["value"]).strip()
        for each in status.get("results") or ()
        if isinstance(each, dict) and isinstance(each.get("value"), str) and "name" in each
    }
    found = {what: known[name] for what, name in results.items() if known.get(name)}
    annotations = run["metadata"].get("annotations") or {}
    finished = state is BuildStatus.FINISHED
    return BuildState(
        run["metadata"]["name"],
        state,
        message,
        started=_time(status.get("startTime")),
        ended=_time(status.get("completionTime")) if state.is_final else None,
        commit=found.get("commit"),
        image=(found.get("image") or annotations.get(IMAGE) or None) if finished else None,
        digest=found.get("digest") if finished else None,
    )


def _outcome(condition: Json, status: Json) -> tuple[BuildStatus, str]:
    reason, message = str(condition.get("reason", "")), str(condition.get("message", ""))
    match condition.get("status"):
        case "True":
            return BuildStatus.FINISHED, ""
        case "False" if reason in _CANCELLED:
            return BuildStatus.CANCELLED, message or "cancelled"
        case "False" if reason in _TIMED_OUT:
            return BuildStatus.ERROR, f"the build took too long: {message}".rstrip(": ")
        case "False":
            return BuildStatus.ERROR, message or reason or "the PipelineRun failed"
    started = bool(status.get("startTime"))
    return (BuildStatus.RUNNING if started else BuildStatus.PENDING), message


def _succeeded(status: Json) -> Json:
    for each in status.get("conditions") or ():
        if isinstance(each, dict) and each.get("type") == "Succeeded":
            return each
    return {}


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None

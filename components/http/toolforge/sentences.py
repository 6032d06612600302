"""The `long_status` of a deployment: what is going on, and what a person can do about it."""

from collections.abc import Iterable, Mapping

from backends.status import Status
from components.engine.deployments.model import Deployment, Kind
from components.engine.runs.model import Run
from components.engine.steps.model import Step
from components.http.toolforge.states import DeploymentState, deployment_state

MAX_NAMED = 10
"""How many components a sentence names with what they say; of the others it has the number."""

MAX_MESSAGE_LENGTH = 200
"""How many characters of the message of each."""

_NEWER = "A newer version of the service manages this deployment, and not all of it is shown."
_QUEUED = "Waits for its turn: it starts by itself when the deployments before it have ended."
_CANCELLING = "Is being cancelled: what runs for it is being ended, and nothing more starts."
_ADVICE = {
    Kind.BUILD: "Look at the log of the build, mend what it names, and deploy again.",
    Kind.RUN: "Look at the log of what does not run well, mend that, and deploy again.",
}


def long_status(deployment: Deployment, state: DeploymentState | None = None) -> str:
    """Return sentences about a deployment in its state, or in the `state` that it was in."""
    return " ".join(_sentences(deployment, state or deployment_state(deployment)))


def _sentences(deployment: Deployment, state: DeploymentState) -> Iterable[str]:
    if deployment.newer:
        yield _NEWER
    match state:
        case DeploymentState.PENDING if deployment.queued:
            yield _QUEUED
        case DeploymentState.PENDING | DeploymentState.RUNNING:
            yield _progress(deployment)
            yield from _sentence(deployment.message)
        case DeploymentState.CANCELLING:
            yield _CANCELLING
            yield from _sentence(deployment.reason)
        case DeploymentState.CANCELLED:
            yield "Was cancelled."
            yield from _ended(deployment, Status.CANCELLED)
            yield from _sentence(deployment.message)
        case DeploymentState.TIMED_OUT:
            yield "Took longer than a deployment may take, and was ended."
            yield from _ended(deployment, Status.ERROR)
            yield from _sentence(deployment.message)
            yield "Deploy again; if that takes as long, ask the operators of the platform."
        case DeploymentState.FAILED:
            yield from _ended(deployment, Status.ERROR)
            yield from _sentence(deployment.message)
            yield _ADVICE[deployment.kind]
        case DeploymentState.SUCCESSFUL:
            yield "Everything is built."
            yield "All components run." if deployment.runs else "This service starts nothing."


def _progress(deployment: Deployment) -> str:
    steps = _steps(deployment)
    left = {name: step for name, step in steps.items() if not _status(step).is_final}
    done = f"{len(steps) - len(left)} of {len(steps)} {_noun(deployment)}s have ended"
    return f"{done}; waits for {_named(left)}." if left else f"{done}."


def _ended(deployment: Deployment, status: Status) -> Iterable[str]:
    """Yield a sentence about the steps that have ended with a status, if there are any."""
    found = {name: step for name, step in _steps(deployment).items() if _status(step) is status}
    if found:
        how = "failed" if status is Status.ERROR else "did not take place"
        yield f"What {how}: the {_noun(deployment)} of {_named(found)}."


def _steps(deployment: Deployment) -> Mapping[str, Step]:
    """Return the steps that are under way, or were last."""
    return deployment.builds if deployment.kind is Kind.BUILD else deployment.runs


def _noun(deployment: Deployment) -> str:
    return "build" if deployment.kind is Kind.BUILD else "run"


def _status(step: Step) -> Status:
    return step.visible_status if isinstance(step, Run) else step.status


def _named(steps: Mapping[str, Step]) -> str:
    """Return the first components, each with what it says, and how many more there are."""
    shown = [
        f"{name} ({step.message[:MAX_MESSAGE_LENGTH]})" if step.message else name
        for name, step in list(steps.items())[:MAX_NAMED]
    ]
    more = len(steps) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _sentence(message: str) -> Iterable[str]:
    """Yield a message of the engine as a sentence, if there is one."""
    if message:
        yield f"{message[0].upper()}{message[1:]}."

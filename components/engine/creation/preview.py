"""A dry run of a deployment: nothing is stored or started."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backends.builders.base import Source
from components.configuration.problems import listed
from components.configuration.sources import reuses, sources
from components.engine.context import Answer, Engine
from components.engine.creation.drafts import DeployRequest, draft_of_configuration
from components.engine.creation.reuse import Decision
from components.engine.errors import Busy, QueueFull, TooManyUnfinished
from components.engine.queue.reservation import find_ahead, read_snapshot
from components.engine.queue.state import WhenBusy, position_message


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """What a deployment would do for one component, with which source, and why."""

    action: str
    repository: str
    ref: str | None
    commit: str | None
    reused: str | None
    reason: str


async def preview_deployment(
    engine: Engine, tool: str, options: DeployRequest
) -> Answer[Mapping[str, PlannedBuild]]:
    """Return what `create_deployment` would do now, by component; nothing is stored or started.

    Raises `NoConfiguration`, `InvalidConfiguration`, `UnknownComponents`.
    """
    snapshot = await read_snapshot(engine, tool)
    draft = await draft_of_configuration(engine, snapshot, options)
    info = ["dry run, nothing was stored: this is what a deployment would do"]
    warnings = list(engine.notices)
    try:
        ahead = find_ahead(engine, snapshot.queue_state, options.when_busy)
    except (Busy, QueueFull, TooManyUnfinished) as error:
        warnings.append(f"it would be rejected now: {error}")
    else:
        if ahead and options.when_busy is WhenBusy.SUPERSEDE:
            info.append(f"it supersedes {listed([repr(each) for each in ahead])}")
        elif ahead:
            info.append(f"it {position_message(ahead, engine.max_running)}")
    own, reused = sources(draft.configuration), reuses(draft.configuration)
    planned = {
        name: _planned(own[reused.get(name, name)], draft.decisions[reused.get(name, name)])
        for name in draft.configuration["components"]
    }
    for name, other in reused.items():
        reason = f"it reuses the build of {other!r}"
        planned[name] = replace(planned[name], action="reuse", reason=reason)
    return Answer(planned, tuple(warnings), info=tuple(info))


def _planned(source: Source, decision: Decision) -> PlannedBuild:
    return PlannedBuild(
        action="reuse" if decision.is_reuse else "build",
        repository=source.repository,
        ref=source.ref,
        commit=decision.build.commit,
        reused=decision.build.reused,
        reason=decision.reason,
    )

"""Making deployments: of the stored configuration, or of an earlier one, or only in thought."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from backends.builders.base import Source
from backends.stores.base import AlreadyExists, Document, NotFound, Rejected, StoreError
from components.configuration.problems import listed
from components.configuration.sources import reuses, sources
from components.engine.advance import carry_out, claims_end
from components.engine.context import Answer, Engine
from components.engine.documents import (
    DEPLOYMENT,
    deployment_data,
    deployment_state,
)
from components.engine.drafts import (
    ORDINARY,
    Draft,
    Wish,
    draft_of_configuration,
    draft_of_retry,
    draft_of_rollback,
)
from components.engine.ends import log_end
from components.engine.errors import Busy, Contended, DeploymentSuperseded, NoSuchTool, QueueFull
from components.engine.model import Deployment
from components.engine.plan import plan
from components.engine.prune import prune
from components.engine.queue import WhenBusy, behind
from components.engine.queueing import supersede
from components.engine.reading import deployment_of
from components.engine.reservation import (
    Place,
    Repetition,
    Snapshot,
    give_up,
    look,
    place_in,
    repeated_place,
    reserve,
)
from components.engine.reuse import Decision

Drafting = Callable[[Engine, Snapshot], Awaitable[Draft]]


@dataclass(frozen=True, slots=True)
class PlannedBuild:
    """What a deployment would do for one component, of which source, and why."""

    action: str
    repository: str
    ref: str | None
    commit: str | None
    reused: str | None
    reason: str


async def create_deployment(
    engine: Engine, tool: str, wish: Wish = ORDINARY, key: str | None = None
) -> Answer[Deployment]:
    """Deploy a tool's stored configuration: store the deployment, launch all its builds, prune.

    A `key` makes it repeatable: whoever gives the same one gets the same deployment. Raises
    `NoConfiguration`, `InvalidConfiguration`, `UnknownComponents`, `NoSuchTool`, `Busy`,
    `QueueFull`, `KeyReused`, `DeploymentSuperseded`, `Contended` and what the store raises.
    """
    return await _create(
        engine,
        tool,
        lambda engine, snapshot: draft_of_configuration(engine, snapshot, wish),
        wish,
        _repetition(key, "deploy", wish),
    )


async def retry_deployment(
    engine: Engine, tool: str, deploy_id: str, wish: Wish = ORDINARY, key: str | None = None
) -> Answer[Deployment]:
    """Deploy an earlier deployment's configuration and commits, building what did not finish.

    Raises `NoDeployment`, `NotFinal`, `NothingToRetry`, and what `create_deployment` raises.
    """
    return await _create(
        engine,
        tool,
        lambda engine, snapshot: draft_of_retry(engine, snapshot, deploy_id),
        wish,
        _repetition(key, f"retry {deploy_id}", wish),
    )


async def roll_back(
    engine: Engine, tool: str, deploy_id: str, wish: Wish = ORDINARY, key: str | None = None
) -> Answer[Deployment]:
    """Deploy the builds of an earlier deployment that finished; nothing is built.

    Raises `NoDeployment`, `NotFinal`, `NotDeployable`, `ImagesGone`, and what `create_deployment`
    raises.
    """
    return await _create(
        engine,
        tool,
        lambda engine, snapshot: draft_of_rollback(engine, snapshot, deploy_id),
        wish,
        _repetition(key, f"rollback {deploy_id}", wish),
    )


async def preview_deployment(
    engine: Engine, tool: str, wish: Wish
) -> Answer[Mapping[str, PlannedBuild]]:
    """Return what `create_deployment` would do now, by component; nothing is stored or started.

    Raises `NoConfiguration`, `InvalidConfiguration`, `UnknownComponents`.
    """
    snapshot = await look(engine, tool)
    draft = await draft_of_configuration(engine, snapshot, wish)
    info = ["nothing was stored: this is what a deployment would do"]
    warnings = list(engine.notices)
    try:
        ahead = place_in(engine, snapshot.scene, wish.when_busy)
    except (Busy, QueueFull) as error:
        warnings.append(f"it would be refused now: {error}")
    else:
        if ahead and wish.when_busy is WhenBusy.SUPERSEDE:
            info.append(f"it supersedes {listed([repr(each) for each in ahead])}")
        elif ahead:
            info.append(f"it {behind(ahead, engine.max_running)}")
    own, reused = sources(draft.configuration), reuses(draft.configuration)
    planned = {
        name: _planned(own[reused.get(name, name)], draft.decisions[reused.get(name, name)])
        for name in draft.configuration["components"]
    }
    for name, other in reused.items():
        because = f"it reuses the build of {other!r}"
        planned[name] = replace(planned[name], action="reuse", reason=because)
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


async def _create(
    engine: Engine, tool: str, drafting: Drafting, wish: Wish, repetition: Repetition | None
) -> Answer[Deployment]:
    snapshot = await look(engine, tool)
    earlier = repeated_place(snapshot, repetition)
    if earlier and earlier.deploy_id in snapshot.documents:
        return _repeated(engine, snapshot.documents[earlier.deploy_id])
    draft = await drafting(engine, snapshot)
    until = claims_end(engine)
    place, snapshot = await reserve(engine, snapshot, wish.when_busy, repetition)
    if place.repeated and place.deploy_id in snapshot.documents:
        return _repeated(engine, snapshot.documents[place.deploy_id])
    try:
        return await _store(engine, snapshot, place, draft, wish, until)
    except AlreadyExists:
        if repetition is None:
            raise Contended(f"the list of deployments of tool {tool!r}") from None
        # Somebody repeats the request at this very moment.
        return _repeated(engine, await engine.store.get(tool, DEPLOYMENT, place.deploy_id))
    except NotFound:
        raise NoSuchTool(tool) from None
    except Rejected:
        await give_up(engine, tool, place.deploy_id)
        raise


async def _store(
    engine: Engine, snapshot: Snapshot, place: Place, draft: Draft, wish: Wish, until: float
) -> Answer[Deployment]:
    """Store a deployment in its place, with all its builds claimed if it may start; launch them."""
    if engine.max_running and asyncio.get_running_loop().time() >= until:
        # Its place may have been given away.
        raise Contended(f"the queue of tool {snapshot.tool!r}")
    waits = engine.max_running and len(place.ahead) >= engine.max_running
    ahead = place.ahead if waits else ()
    new = Deployment(
        snapshot.tool,
        place.deploy_id,
        place.since,
        draft.configuration,
        draft.builds,
        queued=bool(ahead),
        supersedes=bool(ahead) and wish.when_busy is WhenBusy.SUPERSEDE,
        description=wish.description,
    )
    now = max(place.since, await engine.store.now())
    step = plan(new, now, engine.instance, engine.limits)
    document = await engine.store.create(
        snapshot.tool,
        DEPLOYMENT,
        new.id,
        deployment_data(step.deployment),
        deployment_state(step.deployment),
    )
    log_end(step.deployment)
    info = tuple(
        f"{name}: {each.build.message}" for name, each in draft.decisions.items() if each.is_reuse
    )
    if new.supersedes:
        # It is stored, whatever happens here; and its own next step does the same again.
        with suppress(StoreError, Contended):
            await supersede(engine, snapshot.documents_of(ahead), new.id)
        info = (f"{new.id!r} starts once what it supersedes has ended", *info)
    elif ahead:
        info = (f"{new.id!r} {behind(ahead, engine.max_running)}", *info)
    try:
        answer = await carry_out(engine, document, step, until)
    except NotFound:
        raise DeploymentSuperseded(document.name, engine.deployments_kept) from None
    warnings = (*engine.notices, *answer.warnings, *await _prune(engine, answer.value))
    return Answer(answer.value, warnings, answer.errors, info)


async def _prune(engine: Engine, newest: Deployment) -> tuple[str, ...]:
    """Prune, and return warnings: the new deployment stands whether or not old ones can go."""
    try:
        return await prune(engine, newest.tool, newest.id)
    except StoreError as error:
        return (
            f"older deployments could not be removed, the next deployment tries again: {error}",
        )


def _repeated(engine: Engine, document: Document) -> Answer[Deployment]:
    told = "this request was made before: this is the deployment that it made then"
    return Answer(deployment_of(engine, document), engine.notices, info=(told,))


def _repetition(key: str | None, what: str, wish: Wish) -> Repetition | None:
    if key is None:
        return None
    asked: dict[str, Any] = {"what": what, **asdict(wish)}
    return Repetition.of(key, json.dumps(asked, sort_keys=True))

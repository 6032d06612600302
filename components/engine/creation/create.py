"""Making deployments: of the stored configuration, or of an earlier one, or only in thought."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from backends.stores.base import AlreadyExists, Document, NotFound, OverQuota, Rejected, StoreError
from components.engine.context import Answer, Engine
from components.engine.creation.drafts import (
    ORDINARY,
    Draft,
    Wish,
    draft_of_configuration,
    draft_of_retry,
    draft_of_rollback,
)
from components.engine.deployments.documents import (
    DEPLOYMENT,
    deployment_data,
    deployment_state,
)
from components.engine.deployments.ends import log_end
from components.engine.deployments.model import Deployment
from components.engine.deployments.plan import Plan, plan
from components.engine.deployments.pruning import prune, pruning, remove
from components.engine.deployments.reading import deployment_of
from components.engine.deployments.reconcile import execute
from components.engine.errors import Contended, NoDeployment, NoSuchTool
from components.engine.instant import Instant
from components.engine.queue.admission import end, supersede
from components.engine.queue.reservation import (
    Place,
    Repetition,
    Snapshot,
    look,
    release,
    repeated_place,
    reserve,
)
from components.engine.queue.state import WhenBusy, behind

Drafting = Callable[[Engine, Snapshot], Awaitable[Draft]]


@dataclass(frozen=True, slots=True)
class Stored:
    """The first step of a deployment that was stored, and for what it waits."""

    step: Plan
    ahead: tuple[str, ...]


async def create_deployment(
    engine: Engine, tool: str, wish: Wish = ORDINARY, key: str | None = None
) -> Answer[Deployment]:
    """Deploy a tool's stored configuration: store the deployment, launch all its builds, prune.

    A `key` makes it repeatable: whoever gives the same one gets the same deployment. Raises
    `NoConfiguration`, `InvalidConfiguration`, `UnknownComponents`, `NoSuchTool`, `Busy`,
    `QueueFull`, `TooManyUnfinished`, `KeyReused`, `Contended` and what the store raises.
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


async def _create(
    engine: Engine, tool: str, drafting: Drafting, wish: Wish, repetition: Repetition | None
) -> Answer[Deployment]:
    until = asyncio.get_running_loop().time() + engine.patience
    snapshot = await look(engine, tool)
    earlier = repeated_place(snapshot, repetition)
    if earlier and earlier.deploy_id in snapshot.documents:
        return _repeated(engine, snapshot.documents[earlier.deploy_id])
    draft = await drafting(engine, snapshot)
    place, snapshot = await reserve(engine, snapshot, wish.when_busy, repetition)
    if place.repeated and place.deploy_id in snapshot.documents:
        return _repeated(engine, snapshot.documents[place.deploy_id])
    try:
        new, document = await _store(engine, snapshot, place, draft, wish)
    except AlreadyExists:
        if repetition is None:
            raise Contended(f"the list of deployments of tool {tool!r}") from None
        # Somebody repeats the request at this very moment.
        return _repeated(engine, await engine.store.get(tool, DEPLOYMENT, place.deploy_id))
    except NotFound:
        raise NoSuchTool(tool) from None
    except Rejected:
        await release(engine, tool, {place.deploy_id})
        raise
    other = await _made_meanwhile(engine, place, repetition, document)
    if other is not None:
        return _repeated(engine, other)
    left = until - asyncio.get_running_loop().time()
    # Whatever was waited for before, what starts at once is told of at once.
    return await _begin(engine, snapshot, new, document, draft, max(left, engine.patience / 5))


async def _store(
    engine: Engine, snapshot: Snapshot, place: Place, draft: Draft, wish: Wish
) -> tuple[Stored, Document]:
    """Store a deployment in its place, with all its builds claimed if it may start."""
    now = max(place.since, await engine.store.now())
    if now >= place.since + engine.limits.launch / 2:
        # Its place, or its key, may be given to another before it is there.
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
        configured=snapshot.configuration is not None,
    )
    step = plan(new, Instant(now), engine.instance, engine.limits)
    if step.deployment.status.is_final:
        step = replace(step, deployment=replace(step.deployment, ended=now))
    data, state = deployment_data(step.deployment), deployment_state(step.deployment)
    try:
        document = await engine.store.create(snapshot.tool, DEPLOYMENT, new.id, data, state)
    except OverQuota:
        # There may be room once what is kept, and need not be, is gone.
        await _make_room(engine, snapshot, new.id)
        document = await engine.store.create(snapshot.tool, DEPLOYMENT, new.id, data, state)
    if step.deployment.ended:
        log_end(step.deployment)
    return Stored(step, ahead), document


async def _begin(
    engine: Engine,
    snapshot: Snapshot,
    new: Stored,
    document: Document,
    draft: Draft,
    seconds: float,
) -> Answer[Deployment]:
    """Launch what a stored deployment has claimed; answer it with what people are to be told."""
    step, ahead = new.step, new.ahead
    info = tuple(
        f"{name}: {each.build.message}" for name, each in draft.decisions.items() if each.is_reuse
    )
    if step.deployment.supersedes:
        # It is stored, whatever happens here; and its own next step does the same again.
        with suppress(StoreError, Contended):
            await supersede(engine, snapshot.documents_of(ahead), document.name)
        info = (f"{document.name!r} starts once what it supersedes has ended", *info)
    elif ahead:
        info = (f"{document.name!r} {behind(ahead, engine.max_running)}", *info)
    try:
        answer = await execute(engine, document, step, seconds=seconds)
    except NotFound:
        raise NoDeployment(snapshot.tool, document.name) from None
    except (StoreError, Contended) as error:
        # It is there, and whoever moves it on finds out what became of its builds.
        answer = Answer(step.deployment, (f"how its builds have begun is not known yet: {error}",))
    pruned = await _prune(engine, document)
    warnings = (*engine.notices, *answer.warnings, *pruned)
    return Answer(answer.value, warnings, answer.errors, info)


async def _made_meanwhile(
    engine: Engine, place: Place, repetition: Repetition | None, document: Document
) -> Document | None:
    """Return the deployment of the same request, if another maker has taken its key meanwhile.

    That can only be where it took long to store this one, which is then ended.
    """
    if repetition is None or await engine.store.now() < place.since + engine.limits.launch / 2:
        return None
    snapshot = await look(engine, document.tool)
    taken = repeated_place(snapshot, repetition)
    if taken is None or taken.deploy_id == document.name:
        return None
    await end(engine, document, f"the same request has made {taken.deploy_id!r}")
    return snapshot.documents.get(taken.deploy_id)


async def _make_room(engine: Engine, snapshot: Snapshot, newest: str) -> None:
    """Remove one deployment more than need be, of those that are settled."""
    kept = max(len(snapshot.documents) - 1, 0)
    what = pruning(snapshot.scene.deployments.values(), kept, newest, ends=False)
    gone = [each.id for each in what.remove]
    await remove(engine, snapshot.tool, snapshot.documents_of(gone), snapshot.queue)


async def _prune(engine: Engine, newest: Document) -> tuple[str, ...]:
    """Prune, and return warnings: the new deployment stands whether or not old ones can go."""
    try:
        await prune(engine, newest.tool, newest.name)
    except (StoreError, Contended) as error:
        return (
            f"older deployments could not be removed, the next deployment tries again: {error}",
        )
    return ()


def _repeated(engine: Engine, document: Document) -> Answer[Deployment]:
    told = "this request was made before: this is the deployment that it made then"
    return Answer(deployment_of(engine, document), engine.notices, info=(told,))


def _repetition(key: str | None, what: str, wish: Wish) -> Repetition | None:
    if key is None:
        return None
    # Only what was asked: an option that a later version has does not make it another request.
    ordinary = asdict(ORDINARY)
    asked: dict[str, Any] = {
        "what": what,
        **{name: value for name, value in asdict(wish).items() if value != ordinary[name]},
    }
    return Repetition.of(key, json.dumps(asked, sort_keys=True))

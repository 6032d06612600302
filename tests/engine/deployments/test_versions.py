"""Two versions of the service with one store: the older one preserves what it does not know."""

from dataclasses import replace
from typing import Any

import pytest

from backends.builders.base import BuildStatus
from backends.stores.base import Document, DocumentState
from components.engine.configurations.documents import CONFIGURATION, HISTORY
from components.engine.configurations.operations import (
    delete_configuration,
    get_configuration,
    set_configuration,
)
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from components.engine.creation.drafts import DeployRequest
from components.engine.deployments.documents import DEPLOYMENT, FORM, FORM_WITHOUT_RUNS
from components.engine.deployments.model import DeploymentStatus
from components.engine.deployments.operations import (
    cancel_deployment,
    delete_deployment,
    list_deployments,
)
from components.engine.errors import MadeByNewer, NotFinal
from components.engine.loop.refreshing import Refresher
from components.engine.queue.documents import FORM as QUEUE_FORM
from components.engine.queue.documents import QUEUE
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.conftest import deployed, show_deployment
from tests.factories import TOOL, configuration
from tests.stores.counting import CountingStore


async def document_of(store: CountingStore, name: str) -> Document:
    return await store.get(TOOL, DEPLOYMENT, name)


async def rewrite(store: CountingStore, name: str, **changes: Any) -> None:
    """Change a deployment's document like another version would."""
    document = await document_of(store, name)
    await store.replace(document, {**document.data, **changes}, document.state)


def with_word(document: Document, **changes: Any) -> dict[str, Any]:
    """The builds of a document, with other fields in the build of the component `a`."""
    return {**document.data["builds"], "a": {**document.data["builds"]["a"], **changes}}


async def test_a_document_has_the_version_of_its_form(engine: Engine, store: CountingStore) -> None:
    limited = replace(engine, max_running=1)
    deployment = (await deployed(limited)).value
    assert (await document_of(store, deployment.id)).data["form"] == FORM_WITHOUT_RUNS
    assert (await store.get(TOOL, QUEUE, QUEUE)).data["form"] == QUEUE_FORM


async def test_a_document_without_a_form_has_the_first_form(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine)).value
    document = await document_of(store, deployment.id)
    del document.data["form"]
    await store.replace(document, document.data, document.state)
    builder.becomes(BuildStatus.FINISHED)
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.FINISHED


async def test_unknown_fields_of_a_document_are_preserved_by_a_write(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    deployment = (await deployed(engine, "a", "b")).value
    builds = with_word(await document_of(store, deployment.id), run={"ready": 1})
    await rewrite(store, deployment.id, phase="building", builds=builds)
    builder.becomes(BuildStatus.FINISHED)
    await show_deployment(engine, TOOL, deployment.id)
    data = (await document_of(store, deployment.id)).data
    assert data["builds"]["a"]["status"] == "FINISHED"
    assert data["builds"]["a"]["run"] == {"ready": 1}
    assert data["phase"] == "building"


NEWER = {"form": FORM + 1}


@pytest.mark.parametrize("how", ["form", "status", "reason"])
async def test_a_deployment_of_a_newer_version_is_shown_and_not_changed(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder, how: str
) -> None:
    deployment = (await deployed(engine, "a")).value
    document = await document_of(store, deployment.id)
    stop = {"reason": "no-power", "since": "2024-04-04T12:00:00+00:00", "message": "m"}
    changes: dict[str, dict[str, Any]] = {
        "form": NEWER,
        "status": {"builds": with_word(document, status="PUSHING")},
        "reason": {"builds": with_word(document, stop=stop)},
    }
    await rewrite(store, deployment.id, **changes[how])
    before = await document_of(store, deployment.id)
    builder.becomes(BuildStatus.FINISHED)
    builder.asked.clear()
    answer = await show_deployment(engine, TOOL, deployment.id)
    assert not answer.value.status.is_final
    assert "a newer version of the service" in answer.warnings[0]
    if how == "status":
        assert answer.value.builds["a"].message == "a newer version of the service reports PUSHING"
    assert await document_of(store, deployment.id) == before
    assert builder.asked == []


async def test_an_open_document_of_a_newer_version_counts_as_running(
    engine: Engine, store: CountingStore, builder: ScriptedBuilder
) -> None:
    limited = replace(engine, max_running=1)
    deployment = (await deployed(limited, "a")).value
    builds = with_word(await document_of(store, deployment.id), status="FINISHED")
    await rewrite(store, deployment.id, **NEWER, builds=builds)
    assert (await list_deployments(engine, TOOL)).value[0].status is DeploymentStatus.RUNNING
    assert (await create_deployment(limited, TOOL)).value.queued


async def test_a_deployment_of_a_newer_version_is_not_cancelled_or_removed(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    deployment = (await deployed(engine, "a")).value
    await rewrite(store, deployment.id, **NEWER)
    before = await document_of(store, deployment.id)
    refresher = Refresher(engine)
    with pytest.raises(MadeByNewer):
        await cancel_deployment(engine, refresher, TOOL, deployment.id)
    with pytest.raises(NotFinal):
        await delete_deployment(engine, refresher, TOOL, deployment.id)
    await refresher.close()
    for _ in range(4):
        clock.turn(1)
        await create_deployment(engine, TOOL)
    assert await document_of(store, deployment.id) == before


async def test_a_sealed_deployment_of_a_newer_version_is_final(
    engine: Engine, store: CountingStore
) -> None:
    deployment = (await deployed(engine, "a")).value
    document = await document_of(store, deployment.id)
    data = {**document.data, **NEWER, "builds": with_word(document, status="FINISHED")}
    await store.replace(document, data, DocumentState.SEALED)
    shown = (await show_deployment(engine, TOOL, deployment.id)).value
    assert shown.status is DeploymentStatus.FINISHED


async def test_the_queue_of_a_newer_version_is_preserved(
    engine: Engine, store: CountingStore, clock: HandClock
) -> None:
    limited = replace(engine, max_running=1, deployments_kept=10)
    await deployed(limited)
    document = await store.get(TOOL, QUEUE, QUEUE)
    entries = [{**each, "priority": 1} for each in document.data["entries"]]
    await store.replace(document, {**document.data, "entries": entries, "x": 1}, document.state)
    await create_deployment(limited, TOOL)
    document = await store.get(TOOL, QUEUE, QUEUE)
    assert document.data["x"] == 1
    assert document.data["entries"][0]["priority"] == 1
    await store.replace(document, {**document.data, "form": FORM + 1}, document.state)
    with pytest.raises(MadeByNewer):
        await create_deployment(limited, TOOL)
    assert len((await list_deployments(engine, TOOL)).value) == 2


async def test_the_configuration_of_a_newer_version_is_shown_and_deployed_but_not_replaced(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)
    document = await store.get(TOOL, CONFIGURATION, CONFIGURATION)
    await store.replace(document, {**document.data, "form": 2}, document.state)
    before = await store.get(TOOL, CONFIGURATION, CONFIGURATION)
    assert (await get_configuration(engine, TOOL)).value == configuration()
    assert (await create_deployment(engine, TOOL)).value.builds
    with pytest.raises(MadeByNewer):
        await set_configuration(engine, TOOL, configuration("other"))
    with pytest.raises(MadeByNewer):
        await delete_configuration(engine, TOOL)
    assert await store.get(TOOL, CONFIGURATION, CONFIGURATION) == before


async def test_an_archived_configuration_keeps_its_unknown_fields(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)
    document = await store.get(TOOL, CONFIGURATION, CONFIGURATION)
    await store.replace(document, {**document.data, "source": "a url"}, document.state)
    await set_configuration(engine, TOOL, configuration("other"))
    (earlier,) = (await store.list(TOOL, HISTORY)).documents
    assert earlier.data["source"] == "a url"


async def test_a_key_depends_only_on_options_that_differ_from_their_defaults(
    engine: Engine, store: CountingStore
) -> None:
    await deployed(engine)
    await create_deployment(engine, TOOL, key="k")
    keys = (await store.get(TOOL, QUEUE, QUEUE)).data["keys"]
    (asked,) = {each["asked"] for each in keys.values()}
    await create_deployment(engine, TOOL, DeployRequest(description=""), key="other")
    keys = (await store.get(TOOL, QUEUE, QUEUE)).data["keys"]
    assert {each["asked"] for each in keys.values()} == {asked}


async def test_a_build_in_progress_is_released_when_a_newer_version_takes_the_deployment(
    engine: Engine,
    store: CountingStore,
    builder: ScriptedBuilder,
    caplog: pytest.LogCaptureFixture,
) -> None:
    builder.gate.clear()
    deployment = (await deployed(replace(engine, builder_timeout=0.01), "a")).value
    await rewrite(store, deployment.id, **NEWER)
    await engine.tasks.close()
    (message,) = caplog.messages
    assert "could not be stored" in message

"""A configuration is generated from what runs of a tool, and it is always valid."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.builders.base import BuilderUnavailable, Built, Source
from backends.runners.base import RunnerUnavailable, RunSpec, Wanted
from backends.status import Status
from components.configuration.generated import acceptable, of_components, sample
from components.configuration.schemas import MAX_COMPONENTS
from components.configuration.validation import ineffective, validate
from components.engine.configurations.generating import (
    CHECK_IT,
    SAMPLE,
    generate_configuration,
)
from components.engine.configurations.operations import set_configuration
from components.engine.context import Engine
from components.engine.creation.create import create_deployment
from tests.builders.scripted import ScriptedBuilder
from tests.conftest import HandClock
from tests.engine.runs.conftest import finish, stepped
from tests.factories import TOOL, component, configuration, reusing
from tests.runners.scripted import ScriptedRunner, UnmarkedRunner
from tests.stores.counting import CountingStore

REPOSITORY = "https://git.example.org/mytool"


class Builds(ScriptedBuilder):
    """A builder that says what it has built."""

    def __init__(self, *has: Built) -> None:
        super().__init__()
        self.has = has

    async def built(self, tool: str) -> tuple[Built, ...]:
        await self._pass()
        return self.has


def built(name: str, *, ref: str | None = None, status: Status = Status.FINISHED) -> Built:
    image = f"registry.example.org/tool-{TOOL}/{name}:latest"
    return Built(name, Source(f"{REPOSITORY}/{name}", ref), status, image)


@pytest.fixture
def unmarked(clock: HandClock) -> UnmarkedRunner:
    return UnmarkedRunner(clock)


async def put(runner: UnmarkedRunner, name: str, image: str, spec: RunSpec) -> None:
    await runner.put(TOOL, name, Wanted(image, spec))


def engine_of(store: CountingStore, builder: ScriptedBuilder, runner: ScriptedRunner) -> Engine:
    return Engine(store, builder, runner=runner)


async def generated(engine: Engine) -> Any:
    answer = await generate_configuration(engine, TOOL)
    validate(answer.value)
    assert ineffective(answer.value) == ()
    return answer


async def test_where_nothing_runs_there_is_a_sample_of_two(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    answer = await generated(engine_of(store, Builds(), unmarked))
    assert len(answer.value["components"]) == 2
    assert answer.info == (SAMPLE,)
    assert answer.warnings == (CHECK_IT,)


async def test_each_job_with_the_name_of_a_builds_image_becomes_a_component(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    web = RunSpec("serve", port=8000, replicas=2, health_check_http="/up", memory="1Gi")
    await put(unmarked, "web", "tool-mytool/web:latest", web)
    await put(unmarked, "nightly", "x", RunSpec("night", schedule="@daily", timeout=60, retry=1))
    await put(unmarked, "other", "python3.13", RunSpec("serve"))
    builds = Builds(built("nightly"), built("web", ref="main"))
    answer = await generated(engine_of(store, builds, unmarked))
    assert answer.value == {
        "config_version": "v1beta1",
        "components": {
            "nightly": {
                "component_type": "scheduled",
                "build": {"repository": f"{REPOSITORY}/nightly"},
                "run": {"command": "night", "schedule": "@daily", "timeout": 60, "retry": 1},
            },
            "web": {
                "component_type": "continuous",
                "build": {"repository": f"{REPOSITORY}/web", "ref": "main"},
                "run": {
                    "command": "serve",
                    "memory": "1Gi",
                    "port": 8000,
                    "replicas": 2,
                    "health_check_http": "/up",
                },
            },
        },
    }
    assert answer.info == ()
    assert answer.warnings == (
        CHECK_IT,
        "left out, since it is not known what they were built from: 'other'",
    )


async def test_a_job_that_runs_the_image_of_another_reuses_its_build(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    for name in ("web", "worker"):
        await put(unmarked, name, "tool-mytool/web:latest", RunSpec(name))
    answer = await generated(engine_of(store, Builds(built("web")), unmarked))
    assert answer.value["components"]["worker"]["build"] == {"reuse_from": "web"}


async def test_a_job_that_runs_the_image_of_what_does_not_run_has_its_source(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    await put(unmarked, "worker", "tool-mytool/web:latest", RunSpec("work"))
    answer = await generated(engine_of(store, Builds(built("web")), unmarked))
    build = answer.value["components"]["worker"]["build"]
    assert build == {"repository": f"{REPOSITORY}/web"}


async def test_of_several_builds_the_newest_that_succeeded_is_the_source(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    await put(unmarked, "web", "x", RunSpec("serve"))
    builds = Builds(
        built("web", ref="broken", status=Status.ERROR),
        built("web", ref="newer"),
        built("web", ref="older"),
    )
    answer = await generated(engine_of(store, builds, unmarked))
    assert answer.value["components"]["web"]["build"]["ref"] == "newer"


async def test_what_a_kept_deployment_made_has_the_source_that_it_had(
    store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    engine = engine_of(store, builder, ScriptedRunner(clock))
    value = configuration("web", nightly=reusing("web") | {"run": component()["run"]})
    await set_configuration(engine, TOOL, value)
    made = (await create_deployment(engine, TOOL)).value
    finish(builder)
    await stepped(engine, made)
    answer = await generated(engine)
    assert {name: each["build"] for name, each in answer.value["components"].items()} == {
        name: each["build"] for name, each in value["components"].items()
    }


async def test_what_no_kept_deployment_made_is_left_out_where_the_builder_knows_nothing(
    store: CountingStore, builder: ScriptedBuilder, clock: HandClock
) -> None:
    engine = engine_of(store, builder, ScriptedRunner(clock))
    await set_configuration(engine, TOOL, configuration("web"))
    made = (await create_deployment(engine, TOOL)).value
    finish(builder)
    await stepped(engine, made)
    document = await store.get(TOOL, "deployment", made.id)
    await store.delete(TOOL, "deployment", made.id, document.version)
    answer = await generated(engine)
    assert answer.info == (SAMPLE,)


async def test_what_a_configuration_cannot_have_is_left_out_and_told(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    await put(
        unmarked, "web", "x", RunSpec("serve", cpu="much", health_check_http="/up", replicas=0)
    )
    await put(unmarked, "a.b", "x", RunSpec("serve"))
    await put(unmarked, "odd", "x", RunSpec("serve", schedule="@reboot"))
    builds = Builds(built("web"), built("a.b"), built("odd"))
    answer = await generated(engine_of(store, builds, unmarked))
    assert answer.value["components"].keys() == {"web"}
    assert answer.value["components"]["web"]["run"] == {"command": "serve"}
    told = "\n".join(answer.warnings)
    for path in (
        'components["a.b"]: left out',
        "components.odd.run.schedule: left out",
        "components.web.run.cpu: left out, since it must be a Kubernetes quantity",
        "components.web.run.health_check_http: left out, since it needs a tcp port",
        "components.web.run.replicas: left out",
    ):
        assert path in told


async def test_no_more_components_are_generated_than_a_configuration_has(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    names = [f"c{number:03}" for number in range(MAX_COMPONENTS + 2)]
    for name in names:
        await put(unmarked, name, "x", RunSpec("serve"))
    engine = engine_of(store, Builds(*map(built, names)), unmarked)
    answer = await generated(engine)
    assert len(answer.value["components"]) == MAX_COMPONENTS
    assert any("has no room for it: 'c200'" in each for each in answer.warnings)


async def test_what_is_generated_is_no_larger_than_a_configuration_may_be(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    names = [f"c{number}" for number in range(9)]
    for name in names:
        await put(unmarked, name, "x", RunSpec("serve " + "x" * 30_000))
    engine = engine_of(store, Builds(*map(built, names)), unmarked)
    answer = await generated(engine)
    assert answer.value["components"].keys() == {"c0", "c1", "c2", "c3"}
    assert any("has no room for it: 'c4'" in each for each in answer.warnings)


async def test_without_its_backends_there_is_a_sample_and_the_reason(
    store: CountingStore, unmarked: UnmarkedRunner
) -> None:
    builds = Builds(built("web"))
    unmarked.outage = RunnerUnavailable("gone away")
    builds.outage = BuilderUnavailable("gone too")
    answer = await generated(engine_of(store, builds, unmarked))
    assert answer.info == (SAMPLE,)
    assert answer.warnings == (
        CHECK_IT,
        "the runner does not respond, so nothing of it is included: gone away",
        "the builder does not respond, so nothing of it is included: gone too",
    )


def test_the_sample_is_valid_and_has_nothing_without_effect() -> None:
    validate(sample())
    assert ineffective(sample()) == ()


_texts = st.text(max_size=40) | st.sampled_from(
    ["@daily", "1 * * * *", "512Mi", "1G", "none", "all", "tcp", "udp", "/", "/up", "serve"]
)
_values: Any = st.none() | _texts | st.integers(-2, 70_000) | st.booleans()
_names = st.text(max_size=70) | st.from_regex(r"[a-z0-9.-]{1,63}", fullmatch=True)


@given(
    _names,
    st.fixed_dictionaries(
        {"command": _texts},
        optional={name: _values for name in RunSpec.__dataclass_fields__ if name != "command"},
    ),
    st.fixed_dictionaries({"repository": _texts | st.just(REPOSITORY)}, optional={"ref": _values}),
    st.sampled_from(["continuous", "scheduled"]),
)
def test_whatever_a_job_has_what_is_left_of_it_is_valid(
    name: str, run: dict[str, Any], build: dict[str, Any], kind: str
) -> None:
    rest, left_out = acceptable(name, {"component_type": kind, "build": build, "run": run})
    if rest is None:
        assert left_out
    else:
        validate(of_components({name: rest}))
        assert rest["run"]["command"] == run["command"]

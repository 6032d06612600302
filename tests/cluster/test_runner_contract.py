"""The runner in a cluster keeps the contract of all runners, on a control plane that moves."""

from collections.abc import Callable, Mapping
from typing import cast

import pytest

from backends.runners.base import Runner, Running, RunSpec, Wanted
from tests.cluster.ground import APPS, BATCH, Ground
from tests.cluster.installation import Json
from tests.cluster.runner import OpenRunner
from tests.cluster.stages import Fate, image
from tests.runners.contract import BackedRunnerContract


class TestKubernetesRunner(BackedRunnerContract):
    @pytest.fixture(autouse=True)
    def _world(self, world: Ground) -> None:
        self.world = world

    @pytest.fixture
    async def runner(self, open_runner: OpenRunner) -> Runner:
        return cast(Runner, await open_runner())

    @pytest.fixture
    def tool(self, world: Ground) -> str:
        return world.tool

    @pytest.fixture
    def other_tool(self, world: Ground) -> str:
        return world.other_tool

    async def until(
        self, runner: Runner, tool: str, seen: Callable[[Mapping[str, Running]], bool]
    ) -> Mapping[str, Running]:
        return await self.world.until(runner, tool, seen)

    async def come_up(self, tool: str, component: str) -> None:
        await self.world.come_up()

    def slow(self, revision: str = "slow", replicas: int | None = None) -> Wanted:
        return Wanted(image(Fate.SLOW), RunSpec("serve", replicas=replicas), revision)

    def crashing(self) -> Wanted:
        return Wanted(image(Fate.CRASH), RunSpec("serve"))

    async def make_foreign(self, tool: str, component: str, schedule: str | None = None) -> None:
        pod: Json = {
            "metadata": {"labels": {"app": component}},
            "spec": {"containers": [{"name": "main", "image": image(Fate.OK)}]},
        }
        spec: Json
        if schedule is None:
            spec = {"selector": {"matchLabels": {"app": component}}, "template": pod}
        else:
            pod["spec"]["restartPolicy"] = "Never"
            spec = {"schedule": schedule, "jobTemplate": {"spec": {"template": pod}}}
        self.foreign = self._path(schedule)
        await self.world.make(self.foreign, {"metadata": {"name": component}, "spec": spec})

    async def foreign_is_untouched(self, tool: str, component: str) -> bool:
        found = await self.world.object(f"{self.foreign}/{component}")
        metadata = found["metadata"]
        managers = {each["manager"] for each in metadata["managedFields"]}
        return "components-api" not in managers and "deletionTimestamp" not in metadata

    async def change(self, tool: str, component: str) -> None:
        await self.world.change(f"{self._path(None)}/{component}", {"spec": {"replicas": 2}})

    async def lose(self, tool: str, component: str) -> None:
        status, answer = await self.world.admin.call("DELETE", f"{self._path(None)}/{component}")
        assert status == 200, answer

    async def cut_off(self, runner: Runner) -> None:
        runner._kube.client.configuration.host = "https://127.0.0.1:1"  # type: ignore[attr-defined]

    def _path(self, schedule: str | None) -> str:
        if schedule is None:
            return self.world.path("deployments", group=APPS)
        return self.world.path("cronjobs", group=BATCH)

"""What Toolforge's published command line can rely on, whatever the store is.

Every command of it is run, through a gateway, against a running service; and our own beside it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from backends.builders.base import BuildStatus
from tests.builders.scripted import ScriptedBuilder
from tests.factories import component, configuration, reusing
from tests.http.toolforge.command_line import CommandLines
from tests.http.toolforge.gateway import Gateway

GIVEN = configuration("web", worker=reusing("web"), nightly=component(schedule="@daily"))


class ToolforgeClientContract:
    """Subclasses have the fixtures `tool`, and `instances`: the URLs of a service for it.

    Its builder is the fixture `builder`; it runs what is built, lets one deployment run at a time,
    and has both faces.
    """

    @pytest.fixture
    async def gateway(self, instances: tuple[str, ...], tmp_path: Path) -> AsyncIterator[Gateway]:
        gateway = Gateway(tmp_path, *instances)
        runner = await gateway.start()
        yield gateway
        await runner.cleanup()

    @pytest.fixture
    def lines(
        self, gateway: Gateway, tool: str, instances: tuple[str, ...], tmp_path: Path
    ) -> CommandLines:
        kubeconfig = gateway.kubeconfig(tool)
        return CommandLines(tmp_path, gateway.url, kubeconfig, instances[0], tool)

    @pytest.fixture
    async def configured(self, lines: CommandLines) -> CommandLines:
        created = await lines.theirs("config", "create", stdin=yaml.safe_dump(GIVEN))
        assert created.code == 0, created.err
        return lines

    async def test_a_configuration_is_created_shown_and_deleted(
        self, lines: CommandLines, tool: str, tmp_path: Path
    ) -> None:
        missing = await lines.theirs("config", "show")
        assert (missing.code, missing.out) == (1, "")
        assert missing.err.startswith("Error: Unable to find the configuration")
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(GIVEN | {"colour": "red"}))
        created = await lines.theirs("config", "create", str(file))
        assert created.out == f"Configuration of {tool} stored successfully.\n"
        assert "Warning: colour: has no effect: unknown field" in created.err
        assert (await lines.theirs("config", "show")).data == GIVEN | {"colour": "red"}
        deleted = await lines.theirs("config", "delete", "--yes-im-sure")
        assert deleted.data == GIVEN | {"colour": "red"}
        again = await lines.theirs("config", "delete", "--yes-im-sure")
        assert again.code == 1
        assert "Unable to find the configuration" in again.err

    async def test_a_configuration_has_the_same_commands_with_json(
        self, lines: CommandLines
    ) -> None:
        created = await lines.theirs("config", "create", "--json", stdin=json.dumps(GIVEN))
        assert json.loads(created.out)["data"] == GIVEN
        shown = await lines.theirs("config", "show", "--json")
        assert json.loads(shown.out) == GIVEN
        deleted = await lines.theirs("config", "delete", "--yes-im-sure", "--json")
        assert json.loads(deleted.out) == GIVEN

    async def test_an_invalid_configuration_is_refused_with_what_is_wrong(
        self, lines: CommandLines
    ) -> None:
        given = configuration(web=component(port=0))
        refused = await lines.theirs("config", "create", stdin=yaml.safe_dump(given))
        assert refused.code == 1
        assert "Error: components.web.run.port: must be a whole number" in refused.err

    async def test_what_one_command_line_stores_the_other_shows(self, lines: CommandLines) -> None:
        await lines.theirs("config", "create", stdin=yaml.safe_dump(GIVEN))
        assert (await lines.own("config", "show")).data == GIVEN
        other = configuration("other")
        stored = await lines.own("config", "set", "-", stdin=yaml.safe_dump(other))
        assert stored.code == 0, stored.err
        assert (await lines.theirs("config", "show")).data == other

    async def test_a_deployment_is_created_shown_and_listed(
        self, configured: CommandLines, builder: ScriptedBuilder, tool: str
    ) -> None:
        missing = await configured.theirs("deployment", "show")
        assert missing.code == 1
        assert "Unable to find the deployment" in missing.err
        created = await configured.theirs("deployment", "create")
        assert created.code == 0, created.err
        assert created.out.startswith(f"Deployment for {tool} created successfully.\n")
        deploy_id = _field(created.out, "Deployment ID")
        assert re.fullmatch(r"\d{8}-\d{6}", _field(created.out, "Created"))
        assert "  worker(skipped): no-build-needed" in created.out
        await self.finish(configured, builder, deploy_id)
        for arguments in ((), ("latest",), (deploy_id,)):
            shown = await configured.theirs("deployment", "show", *arguments)
            assert _field(shown.out, "Deployment ID") == deploy_id
            assert _field(shown.out, "Status") == "successful"
            assert "Everything is built. All components run." in shown.out
            assert "  worker(skipped): id:no-build-needed reuses the build of 'web'" in shown.out
            assert re.search(r"^  web\(successful\): id:build-\d", shown.out, re.MULTILINE)
            assert "Tool config:" in shown.out
        listed = await configured.theirs("deployment", "list")
        assert deploy_id in listed.out
        assert "successful" in listed.out

    async def test_a_deployment_has_the_same_commands_with_json(
        self, configured: CommandLines, builder: ScriptedBuilder
    ) -> None:
        created = await self.create(configured, "--force-build", "--force-run")
        assert (created["force_build"], created["force_run"]) == (True, True)
        await self.finish(configured, builder, created["deploy_id"])
        second = await self.create(configured)
        shown = json.loads((await configured.theirs("deployment", "show", "--json")).out)
        assert shown["deploy_id"] == second["deploy_id"]
        assert shown["tool_config"] == GIVEN
        listed = json.loads((await configured.theirs("deployment", "list", "--json")).out)
        assert [each["deploy_id"] for each in listed["data"]["deployments"]] == [
            created["deploy_id"],
            second["deploy_id"],
        ]
        cancelling = await configured.theirs("deployment", "cancel", "--json")
        assert json.loads(cancelling.out)["status"] == "cancelling"
        path = ("deployment", "delete", second["deploy_id"], "--yes-im-sure", "--json")
        deleted = json.loads((await configured.theirs(*path)).out)
        assert deleted["deploy_id"] == second["deploy_id"]

    @pytest.mark.parametrize("by_id", [True, False])
    async def test_what_runs_is_cancelled_once(
        self, configured: CommandLines, builder: ScriptedBuilder, *, by_id: bool
    ) -> None:
        deploy_id = (await self.create(configured))["deploy_id"]
        arguments = (deploy_id,) if by_id else ()
        cancelled = await configured.theirs("deployment", "cancel", *arguments)
        assert _field(cancelled.out, "Status") == "cancelling"
        builder.becomes(BuildStatus.CANCELLED)
        await configured.own("deployment", "show", deploy_id, "--wait")
        again = await configured.theirs("deployment", "cancel", *arguments)
        assert again.code == 1
        assert "has ended already" in again.err
        shown = await configured.theirs("deployment", "show", deploy_id)
        assert _field(shown.out, "Status") == "cancelled"

    async def test_a_deployment_is_deleted_in_any_state(
        self, configured: CommandLines, builder: ScriptedBuilder
    ) -> None:
        running = (await self.create(configured))["deploy_id"]
        deleted = await configured.theirs("deployment", "delete", running, "--yes-im-sure")
        assert deleted.out.startswith("Deleted deployment:\n")
        assert _field(deleted.out, "Deployment ID") == running
        assert not builder.cancelled
        again = await configured.theirs("deployment", "delete", running, "--yes-im-sure")
        assert again.code == 1
        assert "Unable to find the deployment" in again.err
        ended = (await self.create(configured))["deploy_id"]
        await self.finish(configured, builder, ended)
        deleted = await configured.theirs("deployment", "delete", ended, "--yes-im-sure")
        assert _field(deleted.out, "Status") == "successful"

    async def test_a_second_deployment_is_refused_while_one_runs(
        self, configured: CommandLines
    ) -> None:
        first = (await self.create(configured))["deploy_id"]
        refused = await configured.theirs("deployment", "create")
        assert refused.code == 1
        assert f"Error: deployment {first!r} is in progress" in refused.err

    async def test_each_command_line_shows_the_deployments_of_the_other(
        self, configured: CommandLines, builder: ScriptedBuilder
    ) -> None:
        theirs = (await self.create(configured))["deploy_id"]
        own = await configured.own("deployment", "show", theirs, "--json")
        assert json.loads(own.out)["deploy-id"] == theirs
        await self.finish(configured, builder, theirs)
        deployed = await configured.own("deploy", "--json")
        deploy_id = json.loads(deployed.out)["deploy-id"]
        shown = await configured.theirs("deployment", "show")
        assert _field(shown.out, "Deployment ID") == deploy_id
        assert (await configured.own("deployment", "cancel", deploy_id)).code == 0
        shown = await configured.theirs("deployment", "show")
        assert _field(shown.out, "Status") in ("cancelling", "cancelled")

    async def test_of_many_simultaneous_requests_one_deploys(
        self, configured: CommandLines, gateway: Gateway, tool: str
    ) -> None:
        url = f"{gateway.url}/components/v1/tool/{tool}/deployment"
        connector = aiohttp.TCPConnector(ssl=gateway.client(tool))
        async with aiohttp.ClientSession(connector=connector) as session:

            async def post() -> int:
                async with session.post(url) as response:
                    return response.status

            statuses = await asyncio.gather(*(post() for _ in range(20)))
            assert sorted(statuses) == [200] + [409] * 19
            async with session.get(url) as response:
                assert len((await response.json())["data"]["deployments"]) == 1

    async def test_the_gateway_lets_no_tool_act_as_another(
        self, gateway: Gateway, tool: str
    ) -> None:
        url = f"{gateway.url}/components/v1/tool/{tool}/config"
        headers = {"x-toolforge-tool": tool, "ssl-client-subject-dn": f"CN={tool},O=toolforge"}
        for client, status in ((gateway.client("another"), 403), (gateway.client(), 401)):
            connector = aiohttp.TCPConnector(ssl=client)
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get(url, headers=headers) as response,
            ):
                assert response.status == status

    async def create(self, lines: CommandLines, *options: str) -> Any:
        """Create a deployment with the published command line; return it."""
        created = await lines.theirs("deployment", "create", "--json", *options)
        return created.data["data"]

    async def finish(self, lines: CommandLines, builder: ScriptedBuilder, deploy_id: str) -> None:
        """Let all builds finish, and wait until a deployment has ended."""
        builder.becomes(BuildStatus.FINISHED, image="registry.example.org/image:1")
        waited = await lines.own("deployment", "show", deploy_id, "--wait")
        assert waited.code == 0, waited.out + waited.err


def _field(text: str, name: str) -> str:
    """Return the value after a name in what was printed."""
    found = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)
    assert found, text
    return found[1]

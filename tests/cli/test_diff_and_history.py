"""`components config diff` and `components config history`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_aiohttp.plugin import AiohttpServer

from components.cli.diff import Change, differences
from tests.cli.conftest import Run
from tests.factories import component, configuration
from tests.sources.host import SourceHost


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with another configuration."""
    changed = component()
    changed["build"]["ref"] = "next"
    path = tmp_path / "new.yaml"
    path.write_text(yaml.safe_dump(configuration(web=changed, worker=component()) | {"x": 1}))
    return path


async def stored(run: Run, value: Any) -> None:
    text = yaml.safe_dump(value, sort_keys=False)
    assert (await run("config", "set", "-", stdin=text)).exit_code == 0


async def test_a_file_is_compared_component_by_component(run: Run, file: Path) -> None:
    await stored(run, configuration("web", "api"))
    result = await run("config", "diff", str(file))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        "components.web: changed",
        "components.worker: added",
        "components.api: removed",
        "x: added",
    ]
    assert "  -  ref: main" in lines
    assert "  +  ref: next" in lines


async def test_without_a_file_the_stored_configuration_is_compared_with_the_previous_one(
    run: Run,
) -> None:
    await stored(run, configuration("web"))
    await stored(run, configuration("web", "api"))
    assert (await run("config", "diff")).stdout.splitlines()[0] == "components.api: added"


async def test_without_a_stored_configuration_everything_is_added(run: Run, file: Path) -> None:
    found = json.loads((await run("config", "diff", str(file), "--json")).stdout)["differences"]
    assert {each["change"] for each in found} == {"added"}


async def test_equal_configurations_have_no_differences(run: Run, tmp_path: Path) -> None:
    await stored(run, configuration("web"))
    (tmp_path / "same.json").write_text(json.dumps(configuration("web")))
    assert (await run("config", "diff", str(tmp_path / "same.json"))).stdout == "no differences\n"


async def test_a_different_order_is_mentioned_but_is_no_difference(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "b.json").write_text(json.dumps(configuration("b", "a")))
    (tmp_path / "a.json").write_text(json.dumps(configuration("a", "b")))
    await run("config", "set", str(tmp_path / "b.json"))
    assert (
        "no differences except the order"
        in (await run("config", "diff", str(tmp_path / "a.json"))).stdout
    )


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not valid YAML"), ("components: {}", "components: ")]
)
async def test_a_file_that_is_not_a_valid_configuration_is_reported(
    run: Run, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    result = await run("config", "diff", str(tmp_path / "bad.yaml"))
    assert result.exit_code == 1
    assert message in result.stderr


def test_differences_are_in_colour() -> None:
    (difference,) = differences(configuration("web"), configuration(web=component(port=80)))
    assert difference.change is Change.CHANGED
    assert ("  +  port: 80", "green") in difference.as_lines()
    (difference,) = differences(configuration("web", "api"), configuration("web"))
    assert ("  -  ref: main", "red") in difference.as_lines()


def test_very_many_lines_are_replaced_as_a_whole() -> None:
    def numbers(step: int) -> dict[str, Any]:
        return {"components": {}, "x": [str(n * step % 150) for n in range(5000)]}

    # Comparing these would take minutes.
    (difference,) = differences(numbers(1), numbers(7))
    assert [line[0] for line in difference.lines] == ["-"] * 5000 + ["+"] * 5000


async def test_the_history_lists_stored_configurations(run: Run) -> None:
    assert (await run("config", "history")).stdout == "mytool has no configuration history\n"
    await stored(run, configuration("web"))
    await stored(run, configuration("web", "api"))
    heading, first, second = (await run("config", "history")).stdout.splitlines()
    assert heading.split() == ["ETAG", "STORED", "(UTC)", "COMPONENTS"]
    assert first.split()[1:] == ["2024-04-04", "12:00", "2", "current"]
    assert second.split()[3:] == ["1"]


async def test_a_configuration_is_not_overwritten_if_its_etag_differs(run: Run) -> None:
    await stored(run, configuration("web"))
    text = yaml.safe_dump(configuration("api"))
    result = await run("config", "set", "-", "--if-match", "0123456789abcdef", stdin=text)
    assert result.exit_code == 2
    assert "does not satisfy the condition of this request" in result.stderr
    etag = json.loads((await run("config", "history", "--json")).stdout)["configurations"][0][
        "etag"
    ]
    assert (await run("config", "set", "-", "--if-match", etag, stdin=text)).exit_code == 0
    assert (await run("config", "delete", "--if-match", etag)).exit_code == 2
    assert (await run("config", "delete", "--if-match", "*")).exit_code == 0


async def test_what_was_fetched_is_in_the_history_with_its_origin(
    run: Run, aiohttp_server: AiohttpServer
) -> None:
    host = SourceHost()
    server = await aiohttp_server(host.app())
    url = str(server.make_url("/tool.yaml"))
    host.give(configuration("web", "api"), etag="one")
    given = await run("config", "set", "-", stdin=f"source_url: {url}")
    assert given.stdout == "stored the configuration of mytool: each deployment fetches it\n"
    deployed = await run("deploy")
    assert 'fetched from its source_url: ETag "one"' in deployed.stderr
    _, first, second = (await run("config", "history", COLUMNS="200")).stdout.splitlines()
    assert first.split()[3:] == ["2", "current", "fetched", "from", url, '("one")']
    assert second.split()[3:] == ["0"]
    shown = await run("config", "show")
    assert yaml.safe_load(shown.stdout) == configuration("web", "api")
    compared = (await run("config", "diff")).stdout
    assert "components.web: added" in compared
    assert "source_url: removed" in compared

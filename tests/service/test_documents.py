"""The documents lead to what is there, and what they show is what happens."""

import ast
import asyncio
import re
import socket
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import yaml

from components.configuration.reading import Format, read
from components.configuration.validation import validate
from examples import pictures
from tests.conftest import ROOT
from tests.service.documents import DOCUMENTS, Block, anchors, blocks, links, name_of, paths
from tests.service.shell import TARGETS, shell

README = ROOT / "README.md"
EXAMPLE = ROOT / "examples/configurations/tides.yaml"
SESSIONS = [each for each in blocks("sh") if "make demo" not in each.code]

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)


@each_document
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_document
def test_every_file_that_is_named_is_there(document: Path) -> None:
    for path in paths(document):
        assert list(ROOT.glob(path)), path


@each_document
def test_every_target_of_make_that_is_named_is_there(document: Path) -> None:
    named = re.findall(
        r"(?:`|^)make (?:-C \S+ )?((?:[a-z]+(?:-[a-z]+)*\b ?)+)", document.read_text(), re.MULTILINE
    )
    assert {target for each in named for target in each.split()} <= set(TARGETS)


def test_the_readme_leads_to_every_document() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    others = {each for each in DOCUMENTS if each.parent != ROOT / "helm/components-api"}
    assert others - {README} <= linked


def test_every_dependency_says_what_it_is_for() -> None:
    setup = (ROOT / "setup.py").read_text()
    needed = re.findall(r'^ {8,}"([A-Za-z][\w.-]*)(?:[<>=][^"]*)?",$', setup, re.MULTILINE)
    assert {"aiohttp", "uv"} <= set(needed)
    first = re.findall(r"^\| (.*?) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    assert set(needed) - set(", ".join(first).split(", ")) == set()


def test_the_readme_can_be_read_at_once() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_the_quick_start_is_a_demo_and_the_tests() -> None:
    (block,) = (each for each in blocks("sh") if "make demo" in each.code)
    commands = [line.split("#")[0].strip() for line in block.code.splitlines()]
    assert (block.document, commands) == ("README.md", ["make demo", "make test"])


def test_there_are_sessions_to_run() -> None:
    assert [each.document for each in SESSIONS] == ["README.md", "docs/command-line.md"]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.document)
async def test_a_session_works_as_it_is_written(session: Block) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = session.code.replace("make run &", f"COMPONENTS_PORT={port} components serve &")
    code = code.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
    output = await shell(f"set -m\n{code}\nkill %1; wait %1")
    assert "FINISHED" in output


@pytest.mark.parametrize("block", blocks("sh", "console", ""), ids=lambda block: block.document)
async def test_what_needs_more_than_this_machine_is_shell_all_the_same(block: Block) -> None:
    if block.language or block.code.startswith("make"):
        checked = await asyncio.create_subprocess_exec("bash", "-n", "-c", block.code)
        assert await checked.wait() == 0


@pytest.mark.parametrize(
    "block",
    [each for each in blocks("yaml") if "components:" in each.code],
    ids=lambda block: block.document,
)
def test_a_configuration_that_is_shown_is_valid(block: Block) -> None:
    validate(read(block.code.encode(), Format.YAML))


def test_the_readme_shows_the_configuration_of_its_tour() -> None:
    (shown,) = (each for each in blocks("yaml") if each.document == "README.md")
    assert f"config set {EXAMPLE.relative_to(ROOT)}" in README.read_text()
    assert yaml.safe_load(shown.code) == yaml.safe_load(EXAMPLE.read_text())


def symptoms() -> Iterator[str]:
    """What the page on troubleshooting has as messages, in the first column of its tables."""
    text = (ROOT / "docs/troubleshooting.md").read_text()
    for cell in re.findall(r"^\| (.*?) \|", text, re.MULTILINE):
        yield from re.findall("`(.*?)`", cell)


def said() -> str:
    """All texts in the code of the service and the command line, each on a line of its own."""
    return "\n".join(
        node.value
        for package in ("components", "backends")
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


NOT_OURS = {"address already in use", "Origin", "/readyz", "background"}
"""What the system or a browser says, and the names of things."""


def test_every_message_in_troubleshooting_is_one_that_is_given() -> None:
    texts = said()
    parts = [part.strip() for each in symptoms() for part in re.split("…|: ", each)]
    assert len(parts) > 60
    assert [part for part in parts if part not in texts and part not in NOT_OURS] == []


def words(picture: str) -> list[str]:
    """The lines of text in a picture of a terminal, without what differs each time."""
    found = re.findall(r"<text [^>]*>(.*?)</text>", picture)
    return [re.sub(r"\b[0-9a-f]{12}\b|\d+", "0", unescape(each)) for each in found]


def unwrapped(texts: list[str]) -> str:
    """All letters of a picture, in order, without what is between them."""
    return re.sub(r"\s+", "", "".join(texts))


async def test_the_picture_of_a_deployment_shows_what_is_printed_now() -> None:
    shown = words(pictures.PICTURE.read_text())
    now = words(await pictures.picture())
    # Where lines are wrapped depends on how long an id is.
    assert unwrapped(shown) == unwrapped(now)
    assert sum("FINISHED" in each for each in shown) == 9


@pytest.mark.parametrize(
    "picture", sorted((ROOT / "docs").glob("*.svg")), ids=lambda path: path.name
)
def test_a_picture_needs_nothing_from_elsewhere(picture: Path) -> None:
    assert not re.search(r"url\(\s*[\"']?https?:|href=|@import", picture.read_text())

"""The documents: links, paths and make targets exist, and sessions, messages and pictures match."""

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
def test_every_link_has_an_existing_file_and_heading(document: Path) -> None:
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_document
def test_every_file_that_is_mentioned_exists(document: Path) -> None:
    for path in paths(document):
        assert list(ROOT.glob(path)), path


@each_document
def test_every_make_target_that_is_mentioned_exists(document: Path) -> None:
    named = re.findall(
        r"(?:`|^)make (?:-C \S+ )?((?:[a-z]+(?:-[a-z]+)*\b ?)+)", document.read_text(), re.MULTILINE
    )
    assert {target for each in named for target in each.split()} <= set(TARGETS)


def test_the_readme_links_every_document() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(README)}
    others = {each for each in DOCUMENTS if each.parent != ROOT / "helm/components-api"}
    assert others - {README} <= linked


def test_every_dependency_is_documented() -> None:
    setup = (ROOT / "setup.py").read_text()
    needed = re.findall(r'^ {8,}"([A-Za-z][\w.-]*)(?:[<>=][^"]*)?",$', setup, re.MULTILINE)
    assert {"aiohttp", "uv"} <= set(needed)
    first = re.findall(r"^\| (.*?) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    assert set(needed) - set(", ".join(first).split(", ")) == set()


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(README.read_text().splitlines()) <= 150


def test_the_quick_start_is_a_demo_and_the_tests() -> None:
    (block,) = (each for each in blocks("sh") if "make demo" in each.code)
    commands = [line.split("#")[0].strip() for line in block.code.splitlines()]
    assert (block.document, commands) == ("README.md", ["make demo", "make test"])


def test_the_documents_have_sessions_to_run() -> None:
    assert [each.document for each in SESSIONS] == ["README.md", "docs/command-line.md"]


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.document)
async def test_a_documented_session_works(session: Block) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = session.code.replace("make run &", f"COMPONENTS_PORT={port} components serve &")
    code = code.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{port}")
    output = await shell(f"set -m\n{code}\nkill %1; wait %1")
    assert "FINISHED" in output


@pytest.mark.parametrize("block", blocks("sh", "console", ""), ids=lambda block: block.document)
async def test_every_shell_block_has_valid_syntax(block: Block) -> None:
    if block.language or block.code.startswith("make"):
        checked = await asyncio.create_subprocess_exec("bash", "-n", "-c", block.code)
        assert await checked.wait() == 0


@pytest.mark.parametrize(
    "block",
    [each for each in blocks("yaml") if "components:" in each.code],
    ids=lambda block: block.document,
)
def test_every_configuration_in_the_documents_is_valid(block: Block) -> None:
    validate(read(block.code.encode(), Format.YAML))


def test_the_readme_shows_the_configuration_of_its_session() -> None:
    (shown,) = (each for each in blocks("yaml") if each.document == "README.md")
    assert f"config set {EXAMPLE.relative_to(ROOT)}" in README.read_text()
    assert yaml.safe_load(shown.code) == yaml.safe_load(EXAMPLE.read_text())


def symptoms() -> Iterator[str]:
    """Yield the messages in the first column of the tables in docs/troubleshooting.md."""
    text = (ROOT / "docs/troubleshooting.md").read_text()
    for cell in re.findall(r"^\| (.*?) \|", text, re.MULTILINE):
        yield from re.findall("`(.*?)`", cell)


def code_strings() -> str:
    """Return all string constants of the service and the command line, each on its own line."""
    return "\n".join(
        node.value
        for package in ("components", "backends")
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


NOT_MESSAGES = {"address already in use", "Origin", "/readyz", "background"}
"""Messages of the operating system, and names of headers, paths and fields."""


def test_every_message_in_troubleshooting_exists_in_the_code() -> None:
    strings = code_strings()
    parts = [part.strip() for each in symptoms() for part in re.split("…|: ", each)]
    assert len(parts) > 60
    assert [part for part in parts if part not in strings and part not in NOT_MESSAGES] == []


def words(picture: str) -> list[str]:
    """Return the lines of text in a picture of a terminal, with ids and numbers replaced."""
    found = re.findall(r"<text [^>]*>(.*?)</text>", picture)
    return [re.sub(r"\b[0-9a-f]{12}\b|\d+", "0", unescape(each)) for each in found]


def unwrapped(texts: list[str]) -> str:
    """Return the text of a picture without white space."""
    return re.sub(r"\s+", "", "".join(texts))


async def test_the_picture_of_a_deployment_matches_the_present_output() -> None:
    shown = words(pictures.PICTURE.read_text())
    now = words(await pictures.picture())
    # The line breaks depend on the length of the ids.
    assert unwrapped(shown) == unwrapped(now)
    assert sum("FINISHED" in each for each in shown) == 9


@pytest.mark.parametrize(
    "picture", sorted((ROOT / "docs").glob("*.svg")), ids=lambda path: path.name
)
def test_a_picture_loads_nothing_from_other_hosts(picture: Path) -> None:
    assert not re.search(r"url\(\s*[\"']?https?:|href=|@import", picture.read_text())

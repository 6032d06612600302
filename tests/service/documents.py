"""Parsing the documents: blocks of code, links, headings, and paths that they mention."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "helm/components-api/README.md",
]

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(?P<title>.*?)\s*$", re.MULTILINE)
_PATH = re.compile(r"`(?P<path>(?:tests|components|backends|helm|docs|examples)/[\w./*-]*)`")


@dataclass(frozen=True)
class Block:
    """A block of code and its document."""

    document: str
    language: str
    code: str


def name_of(document: Path) -> str:
    """Return a document's path in the project."""
    return str(document.relative_to(ROOT))


def blocks(*languages: str) -> list[Block]:
    """Return all blocks of code in these languages."""
    return [
        Block(name_of(document), found["language"], found["code"])
        for document in DOCUMENTS
        for found in _BLOCK.finditer(document.read_text())
        if found["language"] in languages
    ]


def prose(document: Path) -> str:
    """Return a document without its blocks of code."""
    return _BLOCK.sub("", document.read_text())


def links(document: Path) -> Iterator[str]:
    """Yield the targets of a document's links, including images, that are in the project."""
    for found in _LINK.finditer(prose(document)):
        if not re.match("https?://", found["target"]):
            yield found["target"]


def paths(document: Path) -> Iterator[str]:
    """Yield the files and directories of the project that a document mentions as code."""
    for found in _PATH.finditer(prose(document)):
        yield found["path"]


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitLab and GitHub create them."""
    counts: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.finditer(prose(document)):
        anchor = re.sub(r"[^\w\- ]", "", heading["title"].lower()).replace(" ", "-")
        found.add(f"{anchor}-{counts[anchor]}" if counts[anchor] else anchor)
        counts[anchor] += 1
    return found

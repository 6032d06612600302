"""What git's servers say of their refs: pkt-lines, read and written.

See gitprotocol-http(5), gitprotocol-v2(5) and, for the refs that servers of version 0 send without
being asked, gitprotocol-pack(5).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dulwich.errors import GitProtocolError
from dulwich.protocol import PktLineParser, pkt_line

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ABBREVIATED = re.compile(r"[0-9a-f]{4,63}")
_DELIMITER = b"0001"
_PEELED = "^{}"

Packets = Sequence[bytes | None]


class NotGit(Exception):
    """The answer is not one of git's; the message says why."""


@dataclass(frozen=True, slots=True)
class Refs:
    """The commit of each ref, by the ref's full name; of an annotated tag, the one that it names.

    It is empty if the repository is.
    """

    commits: Mapping[str, str]

    def find(self, ref: str) -> str | None:
        """Return the commit of a ref, which may be a full name, a short one or an abbreviated id.

        Tags come before branches, as in gitrevisions(7). Among other commits than those of refs,
        an abbreviated id cannot be found.
        """
        for name in full_names(ref):
            if name in self.commits:
                return self.commits[name]
        if is_abbreviated(ref):
            begun = {each for each in self.commits.values() if each.startswith(ref)}
            if len(begun) == 1:
                return begun.pop()
        return None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server of version 2 can do; `object_format` is that of its ids, if it says so."""

    lists_refs: bool
    object_format: bytes | None


def is_commit(ref: str) -> bool:
    """Whether a ref is a full commit id."""
    return bool(_COMMIT.fullmatch(ref))


def is_abbreviated(ref: str) -> bool:
    """Whether a ref may be the beginning of a commit id."""
    return bool(_ABBREVIATED.fullmatch(ref))


def full_names(ref: str) -> tuple[str, ...]:
    """Return the full names that a ref may stand for, in order of precedence."""
    return (ref, f"refs/{ref}", f"refs/tags/{ref}", f"refs/heads/{ref}")


def read_advertisement(content: bytes) -> Capabilities | Refs:
    """Return what a server says first: what it can do or, in version 0, its refs.

    Raises `NotGit`.
    """
    packets = _packets(content)
    if packets[0] and packets[0].startswith(b"# service="):
        packets = packets[2:]  # and the flush packet after it
    lines = [each.rstrip(b"\n") for each in packets if each]
    if lines[:1] == [b"version 2"]:
        known = dict(line.partition(b"=")[::2] for line in lines[1:])
        return Capabilities(b"ls-refs" in known, known.get(b"object-format"))
    return _refs_of_version_0(lines)


def ls_refs(prefixes: Iterable[str], object_format: bytes | None) -> bytes:
    """Return the question for all refs whose full names begin with one of some prefixes."""
    command = [b"command=ls-refs\n"]
    if object_format is not None:
        command.append(b"object-format=%b\n" % object_format)
    wanted = [b"peel\n", *(f"ref-prefix {each}\n".encode() for each in prefixes)]
    return b"".join(
        (*map(pkt_line, command), _DELIMITER, *map(pkt_line, wanted), pkt_line(None)),
    )


def read_refs(content: bytes) -> Refs:
    """Return the refs of an answer to `ls_refs`. Raises `NotGit`."""
    commits: dict[str, str] = {}
    for line in filter(None, _packets(content)):
        commit, name, *attributes = _words(line)
        for each in attributes:
            if each.startswith("peeled:"):
                commit = each.removeprefix("peeled:")
        if is_commit(commit):  # that of a branch without commits is "unborn"
            commits[name] = commit
    return Refs(commits)


def _refs_of_version_0(lines: Sequence[bytes]) -> Refs:
    """Return refs that each have a line, and annotated tags a second one with the commit."""
    commits: dict[str, str] = {}
    for line in lines:
        commit, name = _words(line.partition(b"\0")[0])[:2]
        if not commits and not is_commit(commit):
            raise NotGit("it speaks another version of git's protocol")
        if name != f"capabilities{_PEELED}" and is_commit(commit):
            commits[name.removesuffix(_PEELED)] = commit
    return Refs(commits)


def _words(line: bytes) -> list[str]:
    # A name that is not UTF-8 equals none of ours.
    words = line.rstrip(b"\n").decode("utf-8", "surrogateescape").split(" ")
    if words[0] == "ERR":
        raise NotGit(f"it says {' '.join(words[1:])[:200]!r}")
    if not words[1:]:
        raise NotGit("it sends something else than refs")
    return words


def _packets(content: bytes) -> Packets:
    """Return the packets of a complete answer; None for each flush packet."""
    packets: list[bytes | None] = []
    parser = PktLineParser(packets.append)
    try:
        parser.parse(content)
    except GitProtocolError:
        raise NotGit("it sends something else than git's packets") from None
    if parser.get_tail() or not packets or packets[-1] is not None:
        raise NotGit("its answer is not complete")
    return packets

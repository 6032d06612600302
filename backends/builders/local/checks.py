"""Rejects invalid requests before anything is run, although the configuration was validated.

A name, URL or ref becomes an argument of a program. It must not be an option, a path to elsewhere,
or a way to make git run a command (`ext::`).
"""

import re

from yarl import URL

from backends.builders.base import BuildRejected, BuildRequest, Source

PROTOCOLS = ("http", "https", "git")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# git-check-ref-format(1), and no refspec: neither `+`, `:` nor a pattern.
_NOT_IN_A_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-+/]|[/.]$|\.lock$")


def check_request(request: BuildRequest) -> None:
    """Raise `BuildRejected` if a request has a value that no program may get."""
    for what, name in (("tool", request.tool), ("component", request.component)):
        if not _NAME.fullmatch(name):
            raise BuildRejected(f"{what}: {name!r} is not a DNS label")
    check_source(request.source)


def check_source(source: Source) -> None:
    """Raise `BuildRejected` if the repository or the ref is invalid."""
    try:
        url = URL(source.repository)
    except ValueError:
        url = URL()
    if url.scheme not in PROTOCOLS or not url.host or url.host.startswith("-"):
        raise BuildRejected("repository: it must be an http, https or git URL")
    if url.user is not None or url.password is not None:
        raise BuildRejected("repository: it must not contain a user or password")
    if not source.repository.isprintable() or " " in source.repository:
        raise BuildRejected("repository: it must not contain white space or control characters")
    if source.ref is not None and (not source.ref or _NOT_IN_A_REF.search(source.ref)):
        raise BuildRejected(f"ref: {source.ref!r} is not the name of a branch, a tag or a commit")


def is_commit(ref: str) -> bool:
    """Whether a ref is a full commit id."""
    return bool(_COMMIT.fullmatch(ref))

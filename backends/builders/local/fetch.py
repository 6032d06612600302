"""Getting one commit of a repository, without running anything that the repository brings.

git is given no configuration but ours, no credentials and nobody to ask, may speak http, https and
git only (also where it is redirected, and for submodules, which are not fetched at all), runs no
hooks and no filters (so no LFS), and what it writes is bounded in size.
"""

import asyncio
import os
from pathlib import Path

from backends.builders.base import BuilderUnavailable, BuildRejected, Source
from backends.builders.local.checks import PROTOCOLS, is_commit
from backends.builders.local.log import BuildLog
from backends.builders.local.process import answered, environment, run

_OPTIONS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.attributesFile=/dev/null",
    "-c", "credential.helper=",
    "-c", "init.templateDir=",
    "-c", "init.defaultBranch=main",
    "-c", "protocol.ext.allow=never",
    "-c", "protocol.file.allow=never",
    "-c", "submodule.recurse=false",
    "-c", "gc.auto=0",
    "-c", "advice.detachedHead=false",
)  # fmt: skip
_ENTRY_BYTES = 4096
"""What a file or directory counts at least: a repository of many small ones is large too."""

_LOOK_SECONDS = 0.1


class TooLarge(Exception):
    """A repository has more bytes than it may."""


class FetchFailed(Exception):
    """git could not get the repository or the ref; the log says why."""


def git_environment(home: Path) -> dict[str, str]:
    """Return the environment in which git asks nobody and takes no configuration but ours."""
    return environment(
        HOME=str(home),
        XDG_CONFIG_HOME=str(home),
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL="/dev/null",
        GIT_ATTR_NOSYSTEM="1",
        GIT_TERMINAL_PROMPT="0",
        GIT_ASKPASS="/bin/false",
        SSH_ASKPASS="/bin/false",
        GIT_ALLOW_PROTOCOL=":".join(PROTOCOLS),
        GIT_PROTOCOL_FROM_USER="0",
        GIT_LFS_SKIP_SMUDGE="1",
    )


async def fetch(source: Source, directory: Path, max_bytes: int, log: BuildLog) -> str:
    """Put a source's files into `directory/source`; return the commit.

    Raises `FetchFailed`, `TooLarge`.
    """
    tree, repository, home = (directory / each for each in ("source", "git", "home"))
    for each in (tree, repository, home):
        each.mkdir()
    env = git_environment(home)
    git = ("git", *_OPTIONS, f"--git-dir={repository}", f"--work-tree={tree}")
    watching = asyncio.create_task(_watch(directory, max_bytes))
    working = asyncio.create_task(_fetch(git, source, env, log))
    try:
        await asyncio.wait((watching, working), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (watching, working):
            task.cancel()
        await asyncio.wait((watching, working))
    if not watching.cancelled():
        watching.result()
    commit = working.result()
    await asyncio.to_thread(_check_size, directory, max_bytes)
    return commit


async def _fetch(git: tuple[str, ...], source: Source, env: dict[str, str], log: BuildLog) -> str:
    steps: tuple[tuple[str, ...], ...] = (
        ("init", "--quiet"),
        (
            "fetch",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-progress",
            "--",
            source.repository,
            source.ref or "HEAD",
        ),
        ("checkout", "--quiet", "--detach", "FETCH_HEAD"),
    )
    for step in steps:
        if await run((*git, *step), output=log.write, env=env):
            raise FetchFailed
    code, commit = await answered((*git, "rev-parse", "HEAD"), env)
    if code or not is_commit(commit):
        raise FetchFailed
    return commit


async def _watch(directory: Path, max_bytes: int) -> None:
    """Raise `TooLarge` as soon as there is too much; look no more often than looking is cheap."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        await asyncio.to_thread(_check_size, directory, max_bytes)
        await asyncio.sleep(max(_LOOK_SECONDS, 5 * (loop.time() - began)))


def _check_size(directory: Path, max_bytes: int) -> None:
    size = 0
    for where, directories, files in os.walk(directory):
        for name in (*directories, *files):
            try:
                size += max(os.lstat(os.path.join(where, name)).st_size, _ENTRY_BYTES)
            except FileNotFoundError:
                continue  # git renames what it writes
            if size > max_bytes:
                raise TooLarge


async def resolve(source: Source, home: Path) -> str:
    """Return the commit that a source means now.

    Raises `BuildRejected` where there is no such ref, `BuilderUnavailable` where nobody answers.
    """
    if source.ref and is_commit(source.ref):
        return source.ref
    arguments = ("git", *_OPTIONS, "ls-remote", "--quiet", "--", source.repository)
    code, printed = await answered(arguments, git_environment(home))
    if code:
        reason = printed.splitlines()[-1] if printed else "git does not say why"
        raise BuilderUnavailable(f"the repository cannot be read: {reason}")
    pairs = (line.partition("\t") for line in printed.splitlines())
    commits = {name: commit for commit, _, name in pairs}
    ref = source.ref or "HEAD"
    # gitrevisions(7): a tag before a branch; of an annotated tag, what it points to.
    for name in (ref, f"refs/{ref}", f"refs/tags/{ref}", f"refs/heads/{ref}"):
        if name in commits:
            return commits.get(f"{name}^{{}}", commits[name])
    raise BuildRejected(f"ref: the repository has no {ref!r}")

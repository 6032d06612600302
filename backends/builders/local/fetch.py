"""Fetches one commit of a repository without running anything from the repository.

git only gets our configuration, no credentials and no prompt. It may only use http, https and git,
also after redirects; submodules are not fetched. It runs no hooks and no filters (so no LFS),
requests only the wanted ref, and is limited in memory, in what it writes and in what it checks out.
"""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from backends.builders.base import BuilderUnavailable, BuildRejected, Source
from backends.builders.local.checks import PROTOCOLS, is_commit
from backends.builders.local.log import BuildLog
from backends.builders.local.memory import Memory
from backends.builders.local.process import PROXIES, environment, output_of, run
from backends.builders.local.sizes import TreeSize, check_size, watch
from backends.builders.local.supervisor import KILLED

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
    # With protocol version 2, git only requests the refs that it needs.
    "-c", "protocol.version=2",
    # Copy large files in pieces instead of holding them in memory, and use only one thread, since
    # each would need its own memory.
    "-c", "core.bigFileThreshold=16m",
    "-c", "core.deltaBaseCacheLimit=16m",
    "-c", "core.packedGitWindowSize=16m",
    "-c", "core.packedGitLimit=64m",
    "-c", "fetch.unpackLimit=1",
    "-c", "pack.threads=1",
    "-c", "index.threads=1",
)  # fmt: skip
_NO_MEMORY = re.compile(
    r"out of memory|cannot allocate memory|died of signal (9|11)\b", re.IGNORECASE
)


class FetchFailed(Exception):
    """git could not fetch the repository or the ref; the message says why, or else the log does."""


def git_environment(home: Path) -> dict[str, str]:
    """Return the environment for git, without prompts and with only our configuration.

    git runs nothing from a repository, so it may have the passwords of proxies.
    """
    return environment(
        **{name: os.environ[name] for name in PROXIES if name in os.environ},
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


async def fetch(
    source: Source, directory: Path, max_bytes: int, memory: Memory, log: BuildLog
) -> str:
    """Fetch a source's files into `directory/source`; return the commit.

    Raises `FetchFailed`, `TooLarge`.
    """
    tree, repository, home = (directory / each for each in ("source", "git", "home"))
    for each in (tree, repository, home):
        each.mkdir()
    git = _Git(
        ("git", *_OPTIONS, f"--git-dir={repository}", f"--work-tree={tree}"),
        git_environment(home),
        memory,
        log,
    )
    watching = asyncio.create_task(watch(directory, max_bytes))
    working = asyncio.create_task(_fetch(git, source, max_bytes))
    try:
        await asyncio.wait((watching, working), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (watching, working):
            task.cancel()
        await asyncio.wait((watching, working))
    if not watching.cancelled():
        watching.result()
    commit = working.result()
    await asyncio.to_thread(check_size, directory, max_bytes)
    return commit


@dataclass(frozen=True, slots=True)
class _Git:
    """git for one repository, and the log of its build."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    memory: Memory
    log: BuildLog

    async def run(self, *arguments: str) -> None:
        """Run a command, with a log. Raises `FetchFailed`."""
        code = await run(
            (*self.command, *arguments), output=self.log.write, env=self.env, memory=self.memory
        )
        if code:
            raise FetchFailed(self._reason(code))

    async def check_tree(self, max_bytes: int) -> None:
        """Check the size of a checkout. Raises `TooLarge`, `FetchFailed`."""
        size = TreeSize(max_bytes)
        listing = (*self.command, "ls-tree", "-r", "-t", "-l", "-z", "--full-tree", "FETCH_HEAD")
        code = await run(listing, output=size.add, env=self.env, memory=self.memory)
        if code:
            self.log.write(size.rest)
            raise FetchFailed(self._reason(code))

    def _reason(self, code: int) -> str:
        if _lacks_memory(code, self.log.reason()):
            return f"the repository cannot be fetched: git would need more than {self.memory}"
        return ""


def _lacks_memory(code: int, output: str) -> bool:
    return code == KILLED or bool(_NO_MEMORY.search(output))


async def _fetch(git: _Git, source: Source, max_bytes: int) -> str:
    await git.run("init", "--quiet")
    await git.run(
        "fetch",
        "--depth=1",
        "--no-tags",
        "--no-recurse-submodules",
        "--no-progress",
        "--",
        source.repository,
        source.ref or "HEAD",
    )
    await git.check_tree(max_bytes)
    await git.run("checkout", "--quiet", "--detach", "FETCH_HEAD")
    code, commit = await output_of((*git.command, "rev-parse", "HEAD"), git.env, git.memory)
    if code or not is_commit(commit):
        raise FetchFailed
    return commit


async def resolve(source: Source, home: Path, memory: Memory) -> str:
    """Return the commit that a source resolves to now.

    Raises `BuildRejected` if the ref does not exist, `BuilderUnavailable` if the repository does
    not respond.
    """
    if source.ref and is_commit(source.ref):
        return source.ref
    ref = source.ref or "HEAD"
    # gitrevisions(7): tags before branches; for an annotated tag, the commit it points to.
    names = (ref, f"refs/{ref}", f"refs/tags/{ref}", f"refs/heads/{ref}")
    wanted = (each for name in names for each in (name, f"{name}^{{}}"))
    arguments = ("git", *_OPTIONS, "ls-remote", "--quiet", "--", source.repository, *wanted)
    code, printed = await output_of(arguments, git_environment(home), memory)
    if code:
        reason = printed.splitlines()[-1] if printed else "git gives no reason"
        if _lacks_memory(code, reason):
            reason = f"git would need more than {memory}"
        raise BuilderUnavailable(f"the repository cannot be read: {reason}")
    pairs = (line.partition("\t") for line in printed.splitlines())
    commits = {name: commit for commit, _, name in pairs}
    for name in names:
        if name in commits:
            return commits.get(f"{name}^{{}}", commits[name])
    raise BuildRejected(f"ref: the repository has no {ref!r}")

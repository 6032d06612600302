"""Resolves sources to commits for builders, with one question for each repository.

The question asks for all branches and tags, so that its answer is good for all components of the
repository. Whoever asks at the same time, or a moment later, shares it, errors included.
"""

import asyncio
from typing import Self
from weakref import WeakValueDictionary

import aiohttp
from async_lru import alru_cache
from environs import Env

from backends.addresses import connector
from backends.builders.base import BuilderError, BuilderUnavailable, BuildRejected, Source
from backends.git.protocol import Refs, full_names, is_abbreviated, is_commit
from backends.git.question import TooManyRefs, ask
from backends.resolver import ThreadResolver

SHARED_SECONDS = 3.0
"""How long an answer is shared. What is pushed in this time may not be seen."""

SECONDS = 5.0
"""The time limit of one question."""

MAX_QUESTIONS = 64
MAX_QUESTIONS_OF_TOOL = 8
"""How many questions are asked at a time: in total, and for one tool."""

MAX_ANSWERS = 32
"""How many answers are kept, at a few MB each at most."""

_COMMON = ("HEAD", "refs/heads/", "refs/tags/")


class CommitResolver:
    """Asks public servers and, with `private`, all others. Call `open` first, `close` last."""

    def __init__(self, *, private: bool = False, seconds: float = SECONDS) -> None:
        self._private = private
        self._seconds = seconds
        self._names = ThreadResolver()
        self._session: aiohttp.ClientSession | None = None
        self._asked = alru_cache(maxsize=MAX_ANSWERS, ttl=SHARED_SECONDS)(self._ask)
        self._free = asyncio.Semaphore(MAX_QUESTIONS)
        self._free_of: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Return a resolver configured by `SOURCE_PRIVATE`."""
        return cls(private=env.bool("SOURCE_PRIVATE", False))

    async def open(self) -> None:
        """Open the pool of connections."""
        self._session = aiohttp.ClientSession(
            connector=connector(private=self._private, resolver=self._names, limit=MAX_QUESTIONS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Cancel all questions, and close all connections."""
        await self._asked.cache_close()
        if self._session is not None:
            await self._session.close()
        await self._names.close()

    async def resolve(self, tool: str, source: Source) -> str | None:
        """Return the commit that a source is now; None if a server cannot be asked for that.

        A full commit id is itself. Raises `BuildRejected`, `BuilderUnavailable`.
        """
        ref = source.ref or "HEAD"
        if is_commit(ref):
            return ref
        if not source.repository.startswith(("http://", "https://")):
            return None
        free = self._free_of.setdefault(tool, asyncio.Semaphore(MAX_QUESTIONS_OF_TOOL))
        async with free:
            refs = await self._refs(source.repository, ref)
        commit = refs.find(ref)
        if commit is None and not is_abbreviated(ref):
            raise _no_such_ref(source)
        return commit

    async def _refs(self, repository: str, ref: str) -> Refs:
        """Return the branches and tags of a repository or, if need be, what may be one ref."""
        refs = await self._answer(repository, _COMMON)
        if refs is None or (refs.find(ref) is None and "/" in ref):
            refs = await self._answer(repository, full_names(ref))
        if refs is None:
            raise BuilderUnavailable("the repository has too many refs")
        return refs

    async def _answer(self, repository: str, prefixes: tuple[str, ...]) -> Refs | None:
        answer = await self._asked(repository, prefixes)
        if isinstance(answer, BuilderError):
            raise type(answer)(str(answer))  # many may raise it
        return answer

    async def _ask(self, repository: str, prefixes: tuple[str, ...]) -> Refs | BuilderError | None:
        """Return the refs, or None if they are too many, or why there are none: all are shared."""
        if self._session is None:
            raise RuntimeError("the resolver has not been opened")
        try:
            async with asyncio.timeout(self._seconds), self._free:
                return await ask(self._session, repository, prefixes)
        except TooManyRefs:
            return None
        except TimeoutError:
            return BuilderUnavailable("the repository does not respond: no response in time")
        except BuilderError as error:
            return error


def _no_such_ref(source: Source) -> BuildRejected:
    if source.ref is None:
        return BuildRejected(
            "ref: the default branch of the repository has no commits: name a branch or a tag"
        )
    return BuildRejected(
        f"ref: the repository has no {source.ref!r}: name a branch, a tag or a commit of it"
    )

"""A source resolves to the commit that git itself says, in one question for each repository."""

import asyncio

import pytest
from aiohttp import web

from backends.builders.base import BuilderUnavailable, BuildRejected, Source
from backends.git.resolver import CommitResolver
from tests.builders.local.conftest import git
from tests.factories import TOOL
from tests.git.conftest import Resolve
from tests.git.serving import GitServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
QUESTION = ["/web.git/info/refs", "/web.git/git-upload-pack"]


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize(
    "ref", [None, "HEAD", "main", "heads/main", "refs/heads/main", "v1", "refs/tags/v1", "noted"]
)
async def test_a_ref_is_the_commit_that_git_says(
    repositories: GitServer, resolve: Resolve, version: int, ref: str | None
) -> None:
    where = repositories.make()
    repositories.speaks = version
    git(where, "tag", "v1")
    git(where, "commit", "--quiet", "--allow-empty", "--message=second")
    git(where, "tag", "--annotate", "--message=m", "noted")
    assert await resolve(ref) == git(where, "rev-parse", f"{ref or 'HEAD'}^{{commit}}")


async def test_the_default_branch_need_not_be_main(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    git(where, "checkout", "--quiet", "-b", "trunk")
    git(where, "commit", "--quiet", "--allow-empty", "--message=second")
    assert await resolve() == git(where, "rev-parse", "trunk")


async def test_a_tag_comes_before_a_branch_of_the_same_name(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    git(where, "tag", "main")
    git(where, "commit", "--quiet", "--allow-empty", "--message=second")
    assert await resolve("main") == git(where, "rev-parse", "refs/tags/main")


async def test_a_repository_with_longer_ids_is_read(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make("web.git", "--object-format=sha256")
    assert await resolve("main") == git(where, "rev-parse", "main")


async def test_a_ref_that_is_neither_a_branch_nor_a_tag_is_found(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    git(where, "update-ref", "refs/pull/1/head", "HEAD")
    git(where, "commit", "--quiet", "--allow-empty", "--message=second")
    found = git(where, "rev-parse", "refs/pull/1/head")
    assert [await resolve("pull/1/head"), await resolve("refs/pull/1/head")] == [found, found]


async def test_a_full_id_is_itself_and_nobody_is_asked(
    repositories: GitServer, resolve: Resolve
) -> None:
    assert await resolve(COMMIT) == COMMIT
    assert repositories.requests == []


async def test_an_abbreviated_id_is_found_at_a_ref_and_otherwise_unknown(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    first = git(where, "rev-parse", "HEAD")
    assert await resolve(first[:8]) == first
    other = f"{int(first[:7], 16) ^ 1:07x}"
    assert await resolve(other) is None


async def test_a_branch_whose_name_looks_like_an_id_is_a_branch(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    git(where, "branch", "deadbeef")
    assert await resolve("deadbeef") == git(where, "rev-parse", "deadbeef")


async def test_only_http_is_asked(resolver: CommitResolver) -> None:
    assert await resolver.resolve(TOOL, Source("git://git.example.org/web", "main")) is None


@pytest.mark.parametrize("ref", ["no-such", "not/here"])
async def test_a_ref_that_does_not_exist_is_rejected_with_what_would_be_right(
    repositories: GitServer, resolve: Resolve, ref: str
) -> None:
    repositories.make()
    with pytest.raises(BuildRejected) as caught:
        await resolve(ref)
    assert str(caught.value) == (
        f"ref: the repository has no {ref!r}: name a branch, a tag or a commit of it"
    )


@pytest.mark.parametrize("version", [0, 2])
async def test_an_empty_repository_is_rejected(
    repositories: GitServer, resolve: Resolve, version: int
) -> None:
    repositories.speaks = version
    (repositories.root / "web.git").mkdir()
    git(repositories.root / "web.git", "init", "--quiet", "--bare")
    with pytest.raises(BuildRejected, match="the default branch of the repository has no commits"):
        await resolve()


async def test_a_repository_that_does_not_exist_is_rejected(
    repositories: GitServer, resolve: Resolve
) -> None:
    with pytest.raises(BuildRejected, match=r"no public git repository at this URL.* 404"):
        await resolve()


async def test_fifty_sources_of_a_repository_ask_once(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    names = [f"branch-{number}" for number in range(50)]
    for name in names:
        git(where, "branch", name)
    commits = await asyncio.gather(*map(resolve, names))
    assert set(commits) == {git(where, "rev-parse", "HEAD")}
    assert repositories.requests == QUESTION
    await resolve("main")
    assert repositories.requests == QUESTION, "the answer is shared for a moment"


async def test_fifty_sources_of_a_repository_share_a_failure(
    repositories: GitServer, resolve: Resolve
) -> None:
    outcomes = await asyncio.gather(
        *(resolve(f"branch-{number}") for number in range(50)), return_exceptions=True
    )
    assert {type(each) for each in outcomes} == {BuildRejected}
    assert len(set(map(id, outcomes))) == 50
    assert repositories.requests == QUESTION[:1]


async def test_who_stops_waiting_does_not_stop_the_others(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def hold(request: web.Request) -> None:
        asked.set()
        await may_answer.wait()

    repositories.before = hold
    first, second = (asyncio.create_task(resolve(ref)) for ref in ("main", "HEAD"))
    await asked.wait()
    first.cancel()
    await asyncio.wait([first])
    may_answer.set()
    assert await second == git(where, "rev-parse", "main")
    assert repositories.requests == QUESTION


async def test_a_redirected_repository_is_asked_where_it_is(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()

    async def redirect(request: web.Request) -> web.StreamResponse | None:
        if not request.path.startswith("/former"):
            return None
        there = request.rel_url.path_qs.replace("/former", "/web.git")
        return web.Response(status=308, headers={"Location": there})

    repositories.before = redirect
    assert await resolve("main", "former") == git(where, "rev-parse", "main")
    assert repositories.requests == ["/former/info/refs", *QUESTION]


async def test_a_repository_with_very_many_refs_is_asked_for_the_one(
    repositories: GitServer, resolve: Resolve
) -> None:
    where = repositories.make()
    commit = git(where, "rev-parse", "HEAD")
    packed = "".join(f"{commit} refs/heads/x/{number:060}\n" for number in range(5000))
    (where / ".git/packed-refs").write_text(f"# pack-refs with: sorted\n{packed}")
    assert await resolve("main") == commit
    assert repositories.requests == QUESTION * 2
    with pytest.raises(BuilderUnavailable, match="the repository has too many refs"):
        await resolve("x")

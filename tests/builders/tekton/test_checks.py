"""A source cannot inject anything into Tekton or a shell."""

import string

import pytest

from backends.builders.base import BuildRejected
from backends.builders.tekton.builder import TektonBuilder
from backends.builders.tekton.checks import check_source
from backends.kube.connection import KubeConnection
from tests.factories import build_request

HOSTILE = [
    "$(params.token)",
    "$(context.pipelineRun.name)",
    "$$(x)",
    "${IFS}",
    "$HOME",
    "main`id`",
    "main'",
    'main"; id; "',
    "main;id",
    "main&&id",
    "main|id",
    "main>x",
    "main\\",
    "main\nid",
    "main id",
    "main\x00",
    "main\u2028id",
    "main\u202e",
    "{a,b}",
    "(id)",
    "*",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_source_with_substitutions_is_rejected_by_path(text: str) -> None:
    with pytest.raises(BuildRejected, match=r"^ref: "):
        check_source(build_request(ref=text).source)
    with pytest.raises(BuildRejected, match=r"^repository: "):
        check_source(build_request(repository=f"https://git.example.org/{text}").source)


def test_only_the_punctuation_of_names_is_allowed() -> None:
    left = ""
    for each in string.punctuation:
        try:
            check_source(build_request(ref=f"a{each}b").source)
        except BuildRejected:
            continue
        left += each
    assert left == "#%+,-./:=?@[]_~"


def test_an_option_is_rejected() -> None:
    with pytest.raises(BuildRejected, match=r"^ref: "):
        check_source(build_request(ref="--upload-pack=id").source)


@pytest.mark.parametrize("ref", ["main", "v1.2.3", "feature/länge", "0" * 40, "a+b@c#1", None])
@pytest.mark.parametrize(
    "repository",
    ["https://git.example.org:8443/~me/web.git", "git://[::1]/a%20b.git", "http://x.org/?a=b"],
)
def test_usual_source_names_are_accepted(ref: str | None, repository: str) -> None:
    check_source(build_request(ref=ref, repository=repository).source)


async def test_the_builder_rejects_it_before_any_call() -> None:
    builder = TektonBuilder(KubeConnection(None, None), "git-clone-buildah")
    with pytest.raises(BuildRejected, match=r"^ref: "):
        await builder.start(build_request(ref="$(params.token)"))

"""The rules by which news become part of a deployment, whatever the news are."""

from hypothesis import given
from hypothesis import strategies as st

from backends.builders.base import BuildStatus
from components.engine.merge import merged
from components.engine.model import Build, Deployment
from tests.conftest import NOON
from tests.factories import TOOL, configuration

NAMES = ("a", "b")

builds = st.builds(
    Build,
    status=st.sampled_from(BuildStatus),
    build_id=st.sampled_from([None, "one", "two"]),
    message=st.sampled_from(["", "m"]),
    image=st.sampled_from([None, "i"]),
    commit=st.sampled_from([None, "c"]),
    started=st.sampled_from([None, NOON]),
)
all_builds = st.fixed_dictionaries(dict.fromkeys(NAMES, builds))
deployments = st.builds(
    lambda each: Deployment(TOOL, "id", NOON, configuration(*NAMES), each), all_builds
)
news = st.dictionaries(st.sampled_from([*NAMES, "unknown"]), builds)


@given(deployments, news)
def test_the_same_news_twice_change_nothing_more(stored: Deployment, new: dict[str, Build]) -> None:
    once = merged(stored, new)
    assert merged(once, new) == once


@given(deployments, news)
def test_a_final_build_never_changes(stored: Deployment, new: dict[str, Build]) -> None:
    after = merged(stored, new)
    for name, build in stored.builds.items():
        if build.status.is_final:
            assert after.builds[name] == build


@given(deployments, news)
def test_a_final_deployment_is_never_reopened(stored: Deployment, new: dict[str, Build]) -> None:
    if stored.status.is_final:
        assert merged(stored, new) is stored


@given(deployments, news)
def test_an_id_once_known_is_never_lost_or_changed(
    stored: Deployment, new: dict[str, Build]
) -> None:
    after = merged(stored, new)
    for name, build in stored.builds.items():
        if build.build_id is not None:
            assert after.builds[name].build_id == build.build_id


@given(deployments, news)
def test_what_is_known_of_a_build_is_not_forgotten(
    stored: Deployment, new: dict[str, Build]
) -> None:
    after = merged(stored, new)
    for name, build in stored.builds.items():
        for known in ("image", "commit", "started"):
            if getattr(build, known) is not None:
                assert getattr(after.builds[name], known) is not None


@given(deployments, news)
def test_a_running_build_is_never_pending_again(stored: Deployment, new: dict[str, Build]) -> None:
    after = merged(stored, new)
    for name, build in stored.builds.items():
        if build.status is BuildStatus.RUNNING and build.build_id is not None:
            assert after.builds[name].status is not BuildStatus.PENDING


@given(deployments, news)
def test_the_components_stay_the_same(stored: Deployment, new: dict[str, Build]) -> None:
    assert list(merged(stored, new).builds) == list(stored.builds)


def test_a_build_that_was_accepted_is_not_rejected_by_another_attempt() -> None:
    accepted = Build(build_id="one")
    stored = Deployment(TOOL, "id", NOON, configuration("a"), {"a": accepted})
    rejected = Build(BuildStatus.ERROR, message="no such repository")
    assert merged(stored, {"a": rejected}) is stored


def test_news_become_what_is_stored() -> None:
    stored = Deployment(TOOL, "id", NOON, configuration("a"), {"a": Build(build_id="one")})
    finished = Build(BuildStatus.FINISHED, "one", image="i", ended=NOON)
    assert merged(stored, {"a": finished}).builds == {"a": finished}

"""What the annotations of an object tell, and what becomes of them in the next request."""

from datetime import timedelta

import pytest

from backends.runners.base import RunSpec, Wanted
from backends.runners.kubernetes.applying import record_for
from backends.runners.kubernetes.kinds import DEPLOYMENT
from backends.runners.kubernetes.record import Made, annotations_of, record_of
from tests.conftest import NOON
from tests.runners.kubernetes.making import IMAGE, contents, recorded, request_for, stored, wanted

FULL = Wanted(
    IMAGE,
    RunSpec(
        "serve 'ü' \x1b \"$X\"",
        "@hourly",
        60,
        2,
        "500m",
        "1Gi",
        "all",
        "none",
        False,
        "/out",
        "/err",
        8000,
        "tcp",
        "/",
        2,
        "/health",
        "true",
    ),
    "7",
)


def made(state: Wanted, **template: str) -> Made:
    return Made(state, contents(state, **template)[DEPLOYMENT], NOON)


def test_a_record_comes_back_as_it_was() -> None:
    record = recorded(FULL, {"spec": {"a": 1}}, Made(wanted(), {"spec": {"b": 2}}, NOON))
    assert record_of(stored(DEPLOYMENT, record)) == record


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wanted", None),
        ("wanted", "{"),
        ("wanted", '{"image":"other","revision":"","spec":{"command":"serve"}}'),
        ("applied", '{"spec":{}}'),
        ("before", '{"wanted":1}'),
        ("fence", "yesterday"),
        ("deployment", None),
        ("started", "yesterday"),
        ("started", "2025-01-01T00:00:00"),
        ("hash", "0"),
    ],
)
def test_what_somebody_has_changed_is_no_record(name: str, value: str | None) -> None:
    state = wanted()
    found = stored(DEPLOYMENT, recorded(state, contents(state)[DEPLOYMENT]))
    annotations = found["metadata"]["annotations"]
    if value is None:
        del annotations[f"components-api/{name}"]
    else:
        annotations[f"components-api/{name}"] = value
    assert record_of(found) is None


def test_nothing_of_a_record_is_in_the_pods() -> None:
    state = wanted()
    found = stored(DEPLOYMENT, recorded(state, contents(state)[DEPLOYMENT]))
    assert "annotations" not in found["spec"]["template"]["metadata"]


def test_the_same_wanted_state_stays_what_was_applied_whatever_the_template_is_now() -> None:
    now = recorded(wanted(), contents(wanted())[DEPLOYMENT])
    later = Made(
        wanted(), contents(wanted(), "command: argv")[DEPLOYMENT], NOON + timedelta(hours=1)
    )
    record = record_for(request_for(wanted(), "two"), later, now)
    assert record.made == now.made
    assert record.origin.deploy_id == "two"


def test_what_was_before_is_put_back_as_it_was_applied() -> None:
    first = recorded(wanted(), contents(wanted())[DEPLOYMENT])
    second = record_for(request_for(wanted("2"), "two"), made(wanted("2")), first)
    assert second.before == first.made
    back = record_for(
        request_for(wanted(), "two"), made(wanted(), template="command: argv"), second
    )
    assert back.made == first.made
    assert back.before == second.made


def test_only_what_was_just_before_is_kept() -> None:
    record = recorded(wanted(), contents(wanted())[DEPLOYMENT])
    for revision in "234":
        state = wanted(revision)
        record = record_for(request_for(state), made(state), record)
    assert record.before == made(wanted("3"))
    assert annotations_of(record)["components-api/before"].count("wanted") == 1


def test_the_hash_is_of_what_is_applied_and_not_of_the_request() -> None:
    one = recorded(wanted(), contents(wanted())[DEPLOYMENT])
    other = record_for(request_for(wanted(), "two"), one.made, one)
    assert other.hash == one.hash
    assert recorded(wanted("2"), one.made.content).hash != one.hash

"""How a Deployment and a HTTPRoute do, by what the cluster says of them."""

from typing import Any

import pytest

from backends.runners.base import Health
from backends.runners.kubernetes.health import HEALTHY, rollout, route
from backends.runners.kubernetes.kinds import Json

DONE = {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}


def deployment(observed: int = 3, conditions: Any = (), **status: Any) -> Json:
    return {
        "metadata": {"name": "web", "generation": 3},
        "spec": {"replicas": 2, "progressDeadlineSeconds": 600},
        "status": {"observedGeneration": observed, "conditions": [*conditions], **status},
    }


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def test_it_is_healthy_with_all_of_the_new_version_and_nothing_of_the_old() -> None:
    assert rollout(deployment(**DONE)) == HEALTHY


def test_what_was_not_observed_yet_counts_for_nothing() -> None:
    state = rollout(deployment(2, **DONE))
    assert (state.health, state.seen) == (Health.PROGRESSING, False)


def test_what_has_no_status_yet_is_progressing() -> None:
    found = deployment()
    del found["status"]
    assert rollout(found).health is Health.PROGRESSING


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"updatedReplicas": 1}, "1 of 2 instances have the new version"),
        ({"availableReplicas": 1}, "1 of 2 instances are ready"),
        ({"replicas": 3}, "1 instances of the old version are still there"),
        ({"updatedReplicas": 3, "replicas": 3}, "1 instances too many are still there"),
    ],
)
def test_what_is_still_to_come_is_told(status: dict[str, int], message: str) -> None:
    state = rollout(deployment(**{**DONE, **status}))
    assert (state.health, state.message) == (Health.PROGRESSING, message)


def test_a_deadline_that_has_passed_is_a_failure() -> None:
    late = condition("Progressing", "False", "ProgressDeadlineExceeded")
    state = rollout(deployment(conditions=[late], **{**DONE, "availableReplicas": 0}))
    assert state.health is Health.FAILED
    assert state.message == "it was not healthy within 600 s: 0 of 2 instances are ready"


@pytest.mark.parametrize(
    ("message", "health"),
    [
        ('pods "web-1" is forbidden: exceeded quota: small, requested: cpu=1', Health.FAILED),
        ("admission webhook denied the request: no", Health.FAILED),
        ("failed calling webhook: connection refused", Health.PROGRESSING),
    ],
)
def test_what_refuses_pods_is_told_in_its_words(message: str, health: Health) -> None:
    refused = condition("ReplicaFailure", "True", "FailedCreate", message)
    state = rollout(deployment(conditions=[refused], updatedReplicas=0))
    assert state.health is health
    assert message in state.message


def test_what_somebody_has_paused_is_told() -> None:
    found = deployment(updatedReplicas=0)
    found["spec"]["paused"] = True
    assert rollout(found).message == "somebody has paused it"


def parent(*conditions: Json, observed: int = 3) -> Json:
    told = [{**each, "observedGeneration": observed} for each in conditions]
    return {"metadata": {"generation": 3}, "status": {"parents": [{"conditions": told}]}}


def test_a_route_without_a_word_of_a_gateway_is_healthy() -> None:
    assert route({"metadata": {"generation": 1}}) == HEALTHY
    assert route(parent(condition("Accepted", "True"))) == HEALTHY


def test_a_route_that_a_gateway_does_not_take_is_told() -> None:
    refused = condition("Accepted", "False", "NotAllowedByListeners", "no listener allows it")
    assert route(parent(refused)).message == (
        "the Gateway does not take its route: NotAllowedByListeners: no listener allows it"
    )
    assert route(parent(condition("Accepted", "True"), observed=2)).health is Health.PROGRESSING

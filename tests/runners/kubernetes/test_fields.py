"""Drift: what somebody else has set, added or taken away, by the fields that each manager has."""

from typing import Any

from backends.runners.kubernetes.fields import adoption, claimed, drift_of
from backends.runners.kubernetes.kinds import DEPLOYMENT, INGRESS, Json, Kind
from backends.runners.kubernetes.record import record_of
from tests.runners.kubernetes.making import contents, recorded, stored, wanted

OURS = {
    "manager": "components-api",
    "operation": "Apply",
    "fieldsV1": {"f:spec": {"f:replicas": {}}},
}
RESTARTED: Json = {
    "f:template": {"f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/restartedAt": {}}}}
}


def entry(manager: str, fields: Json, **more: Any) -> Json:
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, **more}


def found_with(*entries: Json, kind: Kind = DEPLOYMENT) -> Json:
    state = wanted(port=8000, publish="/")
    return stored(kind, recorded(state, contents(state)[kind]), managedFields=[OURS, *entries])


def drift(found: Json, kind: Kind = DEPLOYMENT) -> tuple[str, ...]:
    return drift_of(kind.name, found, record_of(found))


def test_nothing_has_changed_of_what_only_we_and_the_controllers_set() -> None:
    found = found_with(
        entry("components-api", {"f:spec": {"f:paused": {}}}),
        entry("components-api-restart", {"f:spec": RESTARTED}),
        entry("kube-controller-manager", {"f:spec": {"f:replicas": {}}}, subresource="scale"),
        entry("anyone", {"f:status": {"f:replicas": {}}}, subresource="status"),
        entry("anyone", {"f:metadata": {"f:annotations": {"f:theirs": {}}}}),
    )
    assert drift(found) == ()
    assert claimed(found, record_of(found)) is None


def test_what_another_has_set_is_told_by_path_and_by_whom() -> None:
    container: Json = {"f:env": {'k:{"name":"X"}': {".": {}, "f:name": {}, "f:value": {}}}}
    pod = {"f:containers": {'k:{"name":"web"}': {**container, "f:image": {}}}}
    found = found_with(
        entry("kubectl-edit", {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": pod}}})
    )
    assert drift(found) == (
        "deployment web: spec.replicas (kubectl-edit)",
        "deployment web: spec.template.spec.containers[web].env[X] (kubectl-edit)",
        "deployment web: spec.template.spec.containers[web].image (kubectl-edit)",
    )


def test_a_scale_is_told() -> None:
    found = found_with(entry("kubectl", {"f:spec": {"f:replicas": {}}}, subresource="scale"))
    assert drift(found) == ("deployment web: spec.replicas (kubectl)",)


def test_a_restart_by_somebody_is_no_drift() -> None:
    assert drift(found_with(entry("kubectl-rollout", {"f:spec": RESTARTED}))) == ()


def test_what_another_has_taken_away_is_told() -> None:
    found = found_with()
    del found["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    found["spec"]["template"]["spec"]["containers"][0]["ports"] = []
    assert set(drift(found)) == {
        "deployment web: spec.template.spec.containers[0].readinessProbe (removed)",
        "deployment web: spec.template.spec.containers[0].ports[0] (removed)",
    }


def test_only_our_own_annotations_are_looked_at() -> None:
    theirs: Json = {"f:components-api/url": {}, "f:theirs": {}}
    changed = entry("kubectl-edit", {"f:metadata": {"f:annotations": theirs}})
    found = found_with(changed, kind=INGRESS)
    assert drift(found, INGRESS) == (
        "ingress web: metadata.annotations.components-api/url (kubectl-edit)",
    )


def test_a_record_that_somebody_has_changed_is_told() -> None:
    found = found_with()
    found["metadata"]["annotations"]["components-api/applied"] = "{}"
    assert drift(found) == ("deployment web: metadata.annotations",)


def test_only_so_much_is_told() -> None:
    many: Json = {f"f:field{n}": {} for n in range(1000)}
    told = drift(found_with(entry("kubectl-edit", {"f:spec": many})))
    assert len(told) == 10
    assert told[-1] == "deployment web: 991 more"


def test_what_another_has_set_is_claimed_and_the_rest_is_left() -> None:
    theirs: Json = {
        "f:spec": {"f:paused": {}, **RESTARTED},
        "f:metadata": {"f:labels": {"f:a": {}}},
    }
    found = found_with(entry("kubectl-edit", theirs))
    assert claimed(found, record_of(found)) == [
        {**OURS, "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}}},
        entry("kubectl-edit", {"f:spec": RESTARTED, "f:metadata": {"f:labels": {"f:a": {}}}}),
    ]


def test_who_has_nothing_left_is_left_out() -> None:
    found = found_with(entry("kubectl-edit", {"f:spec": {"f:paused": {}}}))
    fields = claimed(found, record_of(found))
    assert fields is not None
    assert [each["manager"] for each in fields] == ["components-api"]


def test_what_was_created_is_made_one_that_was_applied() -> None:
    found = found_with()
    created = entry("components-api", {"f:spec": {}})
    status = entry("kube-controller-manager", {}, subresource="status")
    found["metadata"]["managedFields"] = [status, created]
    assert adoption(found) == [
        {"op": "test", "path": "/metadata/managedFields/1/manager", "value": "components-api"},
        {"op": "test", "path": "/metadata/managedFields/1/operation", "value": "Update"},
        {"op": "replace", "path": "/metadata/managedFields/1/operation", "value": "Apply"},
    ]


def test_what_was_applied_is_not_adopted() -> None:
    assert adoption(found_with(entry("components-api", {"f:spec": {}}))) is None

"""Authorization to change the service's Secrets, by the expressions of the policy.

They are evaluated with the variables of the API server: there is no object on deletion, no
oldObject on creation, and labels or groups may be missing.
"""

from typing import Any

import cel
import pytest

from helm.check import NAMESPACE, rendered

OURS = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "components-api"}}}
OTHERS = {"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}}
UNLABELLED: dict[str, Any] = {"metadata": {"name": "x"}}
SERVICE = f"system:serviceaccount:{NAMESPACE}:components-api"
TOOL = "mytool"


def evaluated(expression: str, **variables: Any) -> bool:
    """Evaluate an expression with some variables."""
    return cel.evaluate(expression, variables) is True


def allowed(
    new: Any, old: Any, user: str = TOOL, groups: list[str] | None = None, **values: Any
) -> bool:
    """Whether the policy allows this for a user."""
    (policy,) = rendered({"readOnlyPolicy": values}, "ValidatingAdmissionPolicy")
    info: dict[str, Any] = {"username": user} | ({"groups": groups} if groups is not None else {})
    variables = {"object": new, "oldObject": old, "request": {"userInfo": info}}
    spec = policy["spec"]
    if not all(evaluated(each["expression"], **variables) for each in spec["matchConditions"]):
        return True
    return all(evaluated(each["expression"], **variables) for each in spec["validations"])


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (OURS, None),
        (None, OURS),
        (OURS, OURS),
        (OURS, UNLABELLED),
        (UNLABELLED, OURS),
        (OTHERS, OURS),
        (OURS, OTHERS),
    ],
    ids=["create", "delete", "change", "label", "unlabel", "relabel", "take over"],
)
def test_a_tool_cannot_add_change_or_remove_labelled_secrets(new: Any, old: Any) -> None:
    assert not allowed(new, old)
    assert not allowed(new, old, groups=["system:authenticated"])
    assert allowed(new, old, SERVICE)


@pytest.mark.parametrize(
    ("new", "old"),
    [(OTHERS, None), (None, OTHERS), (UNLABELLED, UNLABELLED), (OTHERS, UNLABELLED)],
)
def test_other_secrets_are_not_affected(new: Any, old: Any) -> None:
    assert allowed(new, old)


@pytest.mark.parametrize("controller", ["namespace-controller", "generic-garbage-collector"])
def test_a_namespace_can_still_be_deleted(controller: str) -> None:
    assert allowed(None, OURS, f"system:serviceaccount:kube-system:{controller}")


def test_users_and_groups_can_be_allowed() -> None:
    assert allowed(None, OURS, "root", allowedUsers=["root"])
    assert not allowed(None, OURS, "toor", allowedUsers=["root"])
    assert allowed(None, OURS, groups=["admins"], allowedGroups=["admins"])
    assert not allowed(None, OURS, groups=["others"], allowedGroups=["admins"])
    assert not allowed(None, OURS, allowedGroups=["admins"])


def test_another_service_account_is_denied() -> None:
    assert not allowed(None, OURS, f"system:serviceaccount:{NAMESPACE}:default")
    assert not allowed(None, OURS, "system:serviceaccount:other:components-api")


def test_the_policy_denies_instead_of_warning() -> None:
    (binding,) = rendered({}, "ValidatingAdmissionPolicyBinding")
    (policy,) = rendered({}, "ValidatingAdmissionPolicy")
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]
    assert policy["spec"]["failurePolicy"] == "Fail"


def test_the_policy_can_be_disabled() -> None:
    values = {"readOnlyPolicy": {"enabled": False}}
    assert rendered(values, "ValidatingAdmissionPolicy") == []

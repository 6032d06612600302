"""Documents as Secrets and back."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.stores.base import Corrupt, DocumentState, Rejected
from backends.stores.secret_documents import (
    Namespaces,
    document_name,
    document_of,
    secret_name,
    secret_of,
    selector,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), json_values, max_size=3), st.sampled_from(DocumentState))
def test_a_document_survives_the_round_trip(data: dict[str, object], state: DocumentState) -> None:
    secret = secret_of("deployment", "one", data, state)
    secret["metadata"] |= {"namespace": "tool-a", "resourceVersion": "7"}
    document = document_of("a", "deployment", secret)
    assert (document.name, document.data, document.state) == ("one", data, state)
    assert document.version == "7"


@pytest.mark.parametrize(
    ("kind", "name", "secret"),
    [
        ("config", "config", "components-config"),
        ("deployment", "a-deploy-20240404120000-1", "a-deploy-20240404120000-1"),
        ("queue", "queue", "components-queue"),
        ("config", "older", "components-config-older"),
    ],
)
def test_a_secret_is_named_after_its_document(kind: str, name: str, secret: str) -> None:
    assert secret_name(kind, name) == secret
    assert document_name(kind, secret) == name


@pytest.mark.parametrize(
    ("namespace", "tool"), [("tool-a", "a"), ("tool-", None), ("kube-system", None)]
)
def test_a_namespace_belongs_to_a_tool_by_its_prefix(namespace: str, tool: str | None) -> None:
    assert Namespaces("tool-").tool(namespace) == tool


def secret(**changes: Any) -> dict[str, Any]:
    """A Secret of this service, as the API server returns it, with changes."""
    made = secret_of("deployment", "one", {"a": 1}, DocumentState.PLAIN)
    made["metadata"] |= {"namespace": "tool-a", "resourceVersion": "7"}
    return made | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "Opaque"}, "was not created by this service"),
        ({"data": None}, "does not hold a JSON object"),
        ({"data": {"document": "no base64!"}}, "does not hold a JSON object"),
        ({"data": {"document": "W10="}}, "does not hold a JSON object"),
        ({"data": {"document": base64.b64encode(b"[" * 200_000).decode()}}, "does not hold a"),
    ],
)
def test_a_secret_of_another_writer_is_corrupt(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Corrupt, match=f"Secret 'one' in 'tool-a' {reason}"):
        document_of("a", "deployment", secret(**changes))


def test_a_document_too_large_for_a_secret_is_rejected() -> None:
    with pytest.raises(Rejected, match="a Secret holds 1048576"):
        secret_of("config", "config", {"large": "x" * 2**20}, DocumentState.PLAIN)


def test_a_replacement_names_the_version_that_it_replaces() -> None:
    made = secret_of("config", "config", {}, DocumentState.OPEN, "7")
    assert made["metadata"]["resourceVersion"] == "7"
    assert (
        "resourceVersion" not in secret_of("config", "config", {}, DocumentState.OPEN)["metadata"]
    )


def test_open_documents_can_be_selected_by_a_label() -> None:
    made = secret_of("deployment", "one", {}, DocumentState.OPEN)
    labels = ",".join(f"{name}={value}" for name, value in made["metadata"]["labels"].items())
    assert labels == selector("deployment", open_only=True)
    assert selector("deployment") in labels

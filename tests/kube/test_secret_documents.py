"""Documents as Secrets and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.stores.base import DocumentState
from backends.stores.secret_documents import (
    Namespaces,
    document_name,
    document_of,
    secret_name,
    secret_of,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), json_values), st.sampled_from(DocumentState))
def test_what_was_written_is_read(data: dict[str, object], state: DocumentState) -> None:
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
def test_a_namespace_is_a_tools_by_its_prefix(namespace: str, tool: str | None) -> None:
    assert Namespaces("tool-").tool(namespace) == tool

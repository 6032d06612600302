"""Names and labels of PipelineRuns, and the state read from their status."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.builders.base import BuildStatus
from backends.builders.tekton.runs import belongs_to, is_run_of, name_of, run_of, state_of
from tests.factories import TOOL, build_request

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)


def run(condition: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """A PipelineRun with a status of Tekton."""
    made = run_of(build_request(), {"spec": {"pipelineRef": {"name": "p"}}}, "registry/image")
    conditions = [{"type": "Succeeded", **condition}] if condition else []
    return {**made, "status": {**status, "conditions": conditions}}


@given(names, names, st.text(min_size=1))
def test_a_name_is_a_dns_label_of_at_most_63_characters(
    tool: str, component: str, key: str
) -> None:
    name = name_of(replace(build_request(component, key), tool=tool))
    assert LABEL.fullmatch(name)
    assert len(name) <= 63


def test_the_same_key_gives_the_same_name_and_another_tool_another() -> None:
    assert name_of(build_request()) == name_of(build_request())
    assert name_of(build_request(key="two")) != name_of(build_request())
    assert name_of(replace(build_request(), tool="other")) != name_of(build_request())


def test_a_run_is_labelled_with_its_tool_and_component() -> None:
    made = run()
    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/managed-by": "components-api",
        "components-api/tool": TOOL,
        "components-api/component": "web",
    }
    assert is_run_of(made, build_request())
    assert not is_run_of(made, build_request(key="two"))
    assert belongs_to(made, TOOL)
    assert not belongs_to(made, "other")


def test_a_template_cannot_override_our_labels() -> None:
    metadata = {"labels": {"team": "a", "components-api/tool": "x"}, "annotations": {"note": "b"}}
    made = run_of(build_request(), {"metadata": metadata, "spec": {}}, "i")["metadata"]
    assert made["labels"]["team"] == "a"
    assert made["labels"]["components-api/tool"] == TOOL
    assert made["annotations"]["note"] == "b"


STARTED = {"startTime": "2024-04-04T12:00:00Z"}


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (run(), BuildStatus.PENDING),
        (run({"status": "Unknown", "reason": "Started"}), BuildStatus.PENDING),
        (run({"status": "Unknown", "reason": "Running"}, **STARTED), BuildStatus.RUNNING),
        (run({"status": "Unknown", "reason": "StoppedRunFinally"}, **STARTED), BuildStatus.RUNNING),
        (run({"status": "True", "reason": "Succeeded"}), BuildStatus.FINISHED),
        (run({"status": "True", "reason": "Completed"}), BuildStatus.FINISHED),
        (run({"status": "False", "reason": "Failed"}), BuildStatus.ERROR),
        (run({"status": "False", "reason": "PipelineRunTimeout"}), BuildStatus.ERROR),
        (run({"status": "False", "reason": "Cancelled"}), BuildStatus.CANCELLED),
        (run({"status": "False", "reason": "CancelledRunFinally"}), BuildStatus.CANCELLED),
        (run({"status": "False", "reason": "StoppedRunFinally"}), BuildStatus.CANCELLED),
    ],
)  # fmt: skip
def test_the_condition_determines_the_status(made: dict[str, Any], status: BuildStatus) -> None:
    assert state_of(made, {}).status is status


def test_the_condition_determines_the_message() -> None:
    failed = run({"status": "False", "reason": "Failed", "message": "task build failed"})
    assert state_of(failed, {}).message == "task build failed"
    late = run({"status": "False", "reason": "PipelineRunTimeout", "message": "after 30m"})
    assert state_of(late, {}).message == "the build took too long: after 30m"


def test_results_give_commit_image_and_digest() -> None:
    results = [{"name": "c", "value": "abc\n"}, {"name": "d", "value": "sha256:1"}]
    made = run({"status": "True"}, results=results, completionTime="2024-04-04T12:01:00Z")
    state = state_of(made, {"commit": "c", "digest": "d", "image": "missing"})
    assert (state.commit, state.digest, state.image) == ("abc", "sha256:1", "registry/image")
    assert state.ended is not None


@pytest.mark.parametrize("results", [None, [{}], [{"name": "c", "value": ["a"]}], ["x"]])
def test_results_of_another_type_are_ignored(results: Any) -> None:
    assert state_of(run({"status": "True"}, results=results), {"commit": "c"}).commit is None

"""The CI jobs on GitLab and GitHub run only the project's own commands, each in an image."""

from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.service.shell import TARGETS

NOT_JOBS = ("workflow", "default")


def gitlab() -> dict[str, tuple[str, list[str]]]:
    """Return the image and the commands of each job on GitLab."""
    document = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    image = document["default"]["image"]
    jobs = {name: job for name, job in document.items() if name not in NOT_JOBS}
    return {name: (job.get("image", image), job["script"]) for name, job in jobs.items()}


def github() -> dict[str, tuple[str, list[str]]]:
    """Return the image and the commands of each job on GitHub."""
    document = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    return {name: (job["container"], commands(job)) for name, job in document["jobs"].items()}


def commands(job: dict[str, Any]) -> list[str]:
    """Return the commands of a job's steps, without the checkout."""
    return [each["run"] for each in job["steps"] if "uses" not in each]


@pytest.mark.parametrize("jobs", [gitlab(), github()], ids=["gitlab", "github"])
def test_jobs_run_make_targets_or_the_ci_script_in_an_image(
    jobs: dict[str, tuple[str, list[str]]],
) -> None:
    assert jobs.keys() == {"lint", "test", "everything"}
    for image, lines in jobs.values():
        assert image.startswith("python:")
        assert lines
        assert all(map(is_project_command, lines))


def is_project_command(line: str) -> bool:
    """Return whether a command is the CI script, or make with targets of the Makefile."""
    program, *targets = line.split()
    return line == ".ci/run" or (program == "make" and set(targets) <= set(TARGETS))


def test_jobs_do_the_same_on_both() -> None:
    assert {name: lines for name, (_, lines) in gitlab().items()} == {
        name: lines for name, (_, lines) in github().items()
    }

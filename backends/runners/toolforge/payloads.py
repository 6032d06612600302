"""Run parts as jobs of the jobs service, and jobs as run parts."""

from collections.abc import Iterator, Mapping
from typing import Any

from backends.runners.base import RunSpec, Wanted

Job = Mapping[str, Any]

CONTINUOUS, SCHEDULED = "continuous", "scheduled"

_TEXTS = (
    *("schedule", "cpu", "memory", "mount", "emails", "filelog_stdout", "filelog_stderr"),
    *("port_protocol", "publish"),
)
_NUMBERS = ("timeout", "retry", "port", "replicas")
_SAME_NAME = (*_TEXTS, *_NUMBERS, "filelog")
_OF_CONTINUOUS = ("port", "port_protocol", "publish", "replicas")
_OF_SCHEDULED = ("schedule", "timeout")


def job_of(component: str, wanted: Wanted) -> dict[str, Any]:
    """Return the job of a component, with the fields that its run part has."""
    spec = wanted.spec
    given = {name: getattr(spec, name) for name in _SAME_NAME}
    if spec.health_check_http is not None:
        given["health_check"] = {"type": "http", "path": spec.health_check_http}
    elif spec.health_check_script is not None:
        given["health_check"] = {"type": "script", "script": spec.health_check_script}
    return {
        "name": component,
        "job_type": CONTINUOUS if spec.schedule is None else SCHEDULED,
        "cmd": spec.command,
        "imagename": wanted.image,
        **{name: value for name, value in given.items() if value is not None},
    }


def jobs_in(answer: Mapping[str, Any]) -> Iterator[Job] | None:
    """Return the jobs in a list that can be a component's; None where there is no list."""
    jobs = answer.get("jobs")
    if not isinstance(jobs, list):
        return None
    return (each for each in jobs if isinstance(each, dict) and type_of(each) and name_of(each))


def name_of(job: Job) -> str:
    """Return the name of a job; empty if it has none."""
    return _text(job.get("name")) or ""


def type_of(job: Job) -> str | None:
    """Return whether a job is continuous or scheduled; None if it runs once."""
    job_type = job.get("job_type")
    if job_type in (CONTINUOUS, SCHEDULED):
        return str(job_type)
    if job_type is not None:
        return None
    if _text(job.get("schedule")):
        return SCHEDULED
    return CONTINUOUS if job.get("continuous") is True else None


def wanted_in(job: Job) -> Wanted | None:
    """Return what a job runs, without a revision; None where it does not say which command."""
    image, command = _text(job.get("imagename")) or _text(job.get("image")), _text(job.get("cmd"))
    if image is None or command is None:
        return None
    others = _OF_CONTINUOUS if type_of(job) == SCHEDULED else _OF_SCHEDULED
    given: dict[str, Any] = {
        **{name: _text(job.get(name)) for name in _TEXTS},
        **{name: _number(job.get(name)) for name in _NUMBERS},
        "filelog": job["filelog"] if isinstance(job.get("filelog"), bool) else None,
        **(_health_check(job.get("health_check")) if type_of(job) == CONTINUOUS else {}),
    }
    return Wanted(
        image,
        RunSpec(command, **{name: each for name, each in given.items() if name not in others}),
    )


def _health_check(given: object) -> dict[str, str | None]:
    if not isinstance(given, dict):
        return {}
    if given.get("type") == "http":
        return {"health_check_http": _text(given.get("path"))}
    return {"health_check_script": _text(given.get("script"))}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

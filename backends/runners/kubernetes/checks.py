"""What this runner cannot carry out of a run part, or not here: told before anything is built."""

from collections.abc import Iterator

from backends.runners.base import Checked, Remark, RunSpec, Wanted
from backends.runners.kubernetes.pod_template import arguments
from backends.runners.kubernetes.record import size_of
from backends.runners.kubernetes.template import Template

MAX_CRON_JOB_NAME = 52
"""A CronJob gives its Jobs names that are 11 characters longer, and a Job's name is a label."""

MAX_BYTES = 16 * 1024
"""The annotations of an object, which tell its run part up to ten times, have 256 KiB at most."""

_NO_EFFECT = ("emails", "filelog", "filelog_stdout", "filelog_stderr")
_NOTHING = (None, False, "none")


def check(component: str, spec: RunSpec, template: Template) -> Checked:
    """Return what there is to say about the run part of a component."""
    warnings = [
        Remark(name, "has no effect with the runner kubernetes")
        for name in _NO_EFFECT
        if getattr(spec, name) not in _NOTHING
    ]
    return Checked(tuple(_problems(component, spec, template)), tuple(warnings))


def _problems(component: str, spec: RunSpec, template: Template) -> Iterator[Remark]:
    for name in ("command", "health_check_script"):
        if (text := getattr(spec, name)) is not None:
            try:
                arguments(template.command, text)
            except ValueError as error:
                yield Remark(name, f"cannot be split into arguments: {error}")
    if (size := size_of(Wanted("", spec))) > MAX_BYTES:
        yield Remark("command", f"the run part has {size} bytes, and may have {MAX_BYTES}")
    if spec.schedule is not None and len(component) > MAX_CRON_JOB_NAME:
        yield Remark(
            "schedule",
            f"the name of a scheduled component has at most {MAX_CRON_JOB_NAME} characters, since "
            f"each run adds to it; this one has {len(component)}",
        )
    if spec.port is not None and not component[:1].isalpha():
        yield Remark("port", "the name of a component with a port must begin with a letter")
    if spec.publish is not None and template.publish is None:
        yield Remark(
            "publish", "nothing can be published here: the operator's template has no host"
        )
    if spec.mount not in _NOTHING and spec.mount not in template.mounts:
        yield Remark(
            "mount", "there is nothing to mount here: the operator's template has no volumes"
        )

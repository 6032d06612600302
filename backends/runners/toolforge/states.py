"""How a job does, by what the jobs service says of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from backends.runners.base import Health
from backends.runners.schedules import next_run
from backends.runners.toolforge.payloads import SCHEDULED, Job, name_of, type_of


class JobStatus(StrEnum):
    """The statuses of the jobs service."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job does: `since` is when it came to its status, `next_run` when it is due."""

    status: JobStatus
    health: Health
    message: str = ""
    since: datetime | None = None
    next_run: datetime | None = None
    changed_by_others: bool = False


_DURATION = re.compile(r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)

# Where a service has no `status`: how its sentence begins.
_SENTENCES = (
    ("running", JobStatus.RUNNING),
    ("failed", JobStatus.FAILED),
    ("unable to start", JobStatus.FAILED),
    ("pending", JobStatus.PENDING),
)


def state_of(job: Job, now: datetime) -> JobState:
    """Return how a job does at a time, in UTC. A scheduled one is healthy as soon as it is there.

    The times follow from how long the service says that it has had its status.
    """
    given = job.get("status")
    told: Mapping[str, object] = given if isinstance(given, dict) else {}
    status = _status(told.get("short"), job.get("status_short"))
    words = told.get("messages")
    said = "; ".join(map(str, words)) if isinstance(words, list) else ""
    lasted = _duration(told.get("duration"))
    since = now - lasted if lasted is not None else None
    changed = told.get("up_to_date") is False
    if type_of(job) == SCHEDULED:
        due = _time(told.get("next_schedule")) or _due(job, now)
        message = f"its latest run: {status}; {said}" if status is JobStatus.FAILED else ""
        return JobState(status, Health.HEALTHY, message.strip("; "), since, due, changed)
    health = _HEALTH.get(status, Health.PROGRESSING)
    message = said or "" if health is Health.HEALTHY else _message(job, status, said)
    return JobState(status, health, message, since, None, changed)


_HEALTH = {JobStatus.RUNNING: Health.HEALTHY, JobStatus.FAILED: Health.FAILED}


def _message(job: Job, status: JobStatus, said: str) -> str:
    name = name_of(job)
    log = f"; its log: toolforge jobs logs {name}" if status is JobStatus.FAILED else ""
    return f"the jobs service says that {name} is {status}" + (f": {said}" if said else "") + log


def _status(short: object, sentence: object) -> JobStatus:
    if short in list(JobStatus):
        return JobStatus(str(short))
    begins = str(sentence).casefold()
    return next(
        (status for words, status in _SENTENCES if begins.startswith(words)), JobStatus.UNKNOWN
    )


def _duration(text: object) -> timedelta | None:
    found = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        return None
    days, hours, minutes, seconds = (int(each or 0) for each in found.groups())
    try:
        lasted = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        return None
    return lasted if lasted < _LONGEST else None


_LONGEST = timedelta(days=100 * 365)


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _due(job: Job, now: datetime) -> datetime | None:
    given = [each for each in (job.get("schedule_actual"), job.get("schedule")) if each]
    return next_run(given[0], now) if given and isinstance(given[0], str) else None

"""Schedules as Kubernetes reads them, and when they are due next. All are in UTC."""

from datetime import datetime

from cronsim import CronSim, CronSimError

TIME_ZONE = "Etc/UTC"

_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_SUNDAY = "7"


def kubernetes_schedule(schedule: str) -> str:
    """Return a schedule for a CronJob, which knows Sunday as 0 but not as 7."""
    if schedule.startswith("@"):
        return schedule
    *others, weekdays = schedule.split()
    return " ".join([*others, ",".join(map(_without_seven, weekdays.split(",")))])


def next_run(schedule: str, after: datetime) -> datetime | None:
    """Return when a schedule is due next; None for one that is never due, or is none."""
    try:
        return next(CronSim(_WORDS.get(schedule, schedule), after))
    except (CronSimError, StopIteration):
        return None


def _without_seven(item: str) -> str:
    days, _, step = item.partition("/")
    first, dash, last = days.partition("-")
    if (last if dash else first) != _SUNDAY or not (first + (step or "1")).isdecimal():
        return item
    numbers = {each % 7 for each in range(int(first), 8, int(step or 1))}
    return ",".join(map(str, sorted(numbers)))

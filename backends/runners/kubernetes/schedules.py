"""Schedules as a CronJob takes them, and when they are due next. All are in UTC."""

from datetime import datetime

from cronsim import CronSimError

from backends.runners import schedules

TIME_ZONE = "Etc/UTC"

_SUNDAY = "7"


def kubernetes_schedule(schedule: str) -> str:
    """Return a schedule for a CronJob, which knows Sunday as 0 but not as 7."""
    if schedule.startswith("@"):
        return schedule
    *others, weekdays = schedule.split()
    return " ".join([*others, ",".join(map(_without_seven, weekdays.split(",")))])


def next_run(schedule: str, after: datetime) -> datetime | None:
    """Return when a CronJob is due next; None for never, and where somebody's words are not known.

    `schedule` is as a CronJob has it.
    """
    try:
        return schedules.next_run(schedule, after)
    except CronSimError:
        return None


def _without_seven(item: str) -> str:
    days, _, step = item.partition("/")
    first, dash, last = days.partition("-")
    if (last if dash else first) != _SUNDAY or not (first + (step or "1")).isdecimal():
        return item
    numbers = {each % 7 for each in range(int(first), 8, int(step or 1))}
    return ",".join(map(str, sorted(numbers)))

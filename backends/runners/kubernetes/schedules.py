"""Schedules as Kubernetes reads them. All are in UTC."""

TIME_ZONE = "Etc/UTC"

_SUNDAY = "7"


def kubernetes_schedule(schedule: str) -> str:
    """Return a schedule for a CronJob, which knows Sunday as 0 but not as 7."""
    if schedule.startswith("@"):
        return schedule
    *others, weekdays = schedule.split()
    return " ".join([*others, ",".join(map(_without_seven, weekdays.split(",")))])


def _without_seven(item: str) -> str:
    days, _, step = item.partition("/")
    first, dash, last = days.partition("-")
    if (last if dash else first) != _SUNDAY or not (first + (step or "1")).isdecimal():
        return item
    numbers = {each % 7 for each in range(int(first), 8, int(step or 1))}
    return ",".join(map(str, sorted(numbers)))

"""When a scheduled component runs next: no platform says it."""

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

_FIELDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def next_run(schedule: str, after: datetime) -> datetime | None:
    """Return the first time of a schedule, in UTC, that is later than `after`.

    `schedule` is five cron fields or one of cron's words; None for one that is never due, or none.
    """
    try:
        return next(CronSim(_FIELDS.get(schedule, schedule), after.astimezone(UTC)), None)
    except CronSimError:
        return None

"""The tables of deployments, plans and configurations."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from components.cli.rows import Cell, Rows

_STYLES = {
    "PENDING": "dim",
    "RUNNING": "cyan",
    "FINISHED": "green",
    "ERROR": "bold red",
    "CANCELLED": "magenta",
}
_ACTION_STYLES = {"reuse": "green", "leave": "green", "remove": "magenta"}
_HEALTH_STYLES = {"healthy": "green", "progressing": "cyan", "failed": "bold red"}
_REUSED = "reused"
_BUILD_WIDTHS = (0, len("CANCELLED"), len("59m59s"), 24)


def status_cell(status: str) -> Cell:
    """Return a status in its colour."""
    return Cell(status, _STYLES.get(status, ""))


def steps(deployment: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the builds of a deployment by component, then its runs, which are named as such."""
    yield from deployment["builds"].items()
    for name, run in deployment.get("runs", {}).items():
        yield f"{name} (run)", run


def steps_table(deployment: Mapping[str, Any], now: datetime, *, fits: bool = False) -> Rows:
    """Return one row per build and run: name, status, elapsed time, and message or image."""
    rows = [
        (
            Cell(name),
            status_cell(step["status"]),
            Cell(elapsed(deployment, step, now)),
            Cell(first_line(step["message"]) or step["image"] or ""),
        )
        for name, step in steps(deployment)
    ]
    return Rows(rows, _BUILD_WIDTHS, fits)


def first_line(message: str) -> str:
    """Return the first line of a message; a row has no space for more."""
    return message.split("\n", 1)[0]


def deployments_table(deployments: Iterable[Mapping[str, Any]]) -> Rows:
    """Return one row per deployment: id, status, creation time, number of finished builds."""
    rows = [_heading("DEPLOYMENT", "STATUS", "CREATED (UTC)", "FINISHED")]
    for each in deployments:
        builds = each["builds"].values()
        finished = sum(build["status"] == "FINISHED" for build in builds)
        rows.append(
            (
                Cell(each["deploy-id"]),
                status_cell(each["status"]),
                Cell(_to_the_minute(each["creation-time"])),
                Cell(f"{finished} of {len(builds)}"),
            )
        )
    return Rows(rows)


def plan_table(plan: Mapping[str, Any]) -> Rows:
    """Return one row per planned build and run: the action, the commit and the reason."""
    rows = [_heading("COMPONENT", "ACTION", "COMMIT", "WHY")]
    for name, each in steps(plan):
        style = _ACTION_STYLES.get(each["action"], "cyan")
        commit = (each.get("commit") or "")[:12]
        rows.append((Cell(name), Cell(each["action"], style), Cell(commit), Cell(each["reason"])))
    return Rows(rows)


def running_table(components: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Return one row per component that runs."""
    names = ("COMPONENT", "HEALTH", "READY", "RESTARTS", "SINCE (UTC)", "COMMIT", "DEPLOYMENT", "")
    rows = [_heading(*names)]
    for name, each in components.items():
        ready = "" if each["schedule"] else f"{each['ready']}/{each['replicas']}"
        started = each["start-time"]
        rows.append(
            (
                Cell(name),
                Cell(each["health"], _HEALTH_STYLES.get(each["health"], "")),
                Cell(ready),
                Cell(str(each["restarts"])),
                Cell(_to_the_minute(started) if started else ""),
                Cell((each["commit"] or "")[:12]),
                Cell(each["deploy-id"] or ""),
                Cell(_running_details(each)),
            )
        )
    return Rows(rows)


def _running_details(component: Mapping[str, Any]) -> str:
    next_time = component["next-time"]
    drift = component["drift"]
    return "; ".join(
        filter(
            None,
            (
                first_line(component["message"]),
                component["url"],
                f"next at {_to_the_minute(next_time)}" if next_time else "",
                f"changed by others: {', '.join(drift)}" if drift else "",
            ),
        )
    )


def history_table(configurations: Iterable[Mapping[str, Any]]) -> Rows:
    """Return one row per configuration: ETag, time of storing, number of components, and origin."""
    rows = [_heading("ETAG", "STORED (UTC)", "COMPONENTS", "", "")]
    for each in configurations:
        stored = each["stored-time"]
        rows.append(
            (
                Cell(each["etag"]),
                Cell(_to_the_minute(stored) if stored else "unknown"),
                Cell(str(len(each["config"].get("components", ())))),
                Cell("current" if each["current"] else ""),
                Cell(_origin(each.get("fetched-from"))),
            )
        )
    return Rows(rows)


def _origin(origin: Mapping[str, Any] | None) -> str:
    if origin is None:
        return ""
    version = origin["commit"] or origin["etag"]
    return f"fetched from {origin['url']}" + (f" ({version})" if version else "")


def tokens_table(tokens: Iterable[Mapping[str, Any]]) -> Rows:
    """Return one row per token: its name, what it permits, its end, and its last use."""
    rows = [_heading("TOKEN", "SCOPES", "ENDS (UTC)", "LAST USED", "COMPONENTS")]
    for each in tokens:
        components = each["components"]
        rows.append(
            (
                Cell(each["name"]),
                Cell(", ".join(each["scopes"])),
                Cell(_to_the_minute(each["end-time"])),
                # It is known to the day.
                Cell((each["last-use-time"] or "never")[:10]),
                Cell("all" if components is None else ", ".join(components)),
            )
        )
    return Rows(rows)


def elapsed(deployment: Mapping[str, Any], step: Mapping[str, Any], now: datetime) -> str:
    """Return the duration of a build or a run until its end, or until `now`, in whole seconds.

    A reused build has no duration in this deployment, and neither has what was left alone.
    """
    if step.get("reused-from"):
        return _REUSED
    if step.get("action") == "leave" or ("action" in step and not step["start-time"]):
        return ""
    since = parsed_time(step["start-time"] or deployment["creation-time"])
    until = parsed_time(step["end-time"]) if step["end-time"] else now
    if not step["end-time"] and step["status"] not in ("PENDING", "RUNNING"):
        return ""
    return duration(until - since) if since and until else ""


def total_time(deployment: Mapping[str, Any], now: datetime | None) -> str:
    """Return the duration of a deployment until its last build ended, or until `now`.

    Empty if neither is known. Reused builds do not count.
    """
    until = now
    if deployment["status"] not in ("PENDING", "RUNNING"):
        own = (each for _, each in steps(deployment) if not each.get("reused-from"))
        ends = [parsed_time(each["end-time"]) for each in own if each["end-time"]]
        until = max(filter(None, ends), default=now)
    since = parsed_time(deployment["creation-time"])
    return duration(until - since) if since and until else ""


def duration(time: timedelta) -> str:
    """Format a duration in whole seconds: `45s`, `1m05s`."""
    seconds = max(0, time // timedelta(seconds=1))
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def parsed_time(text: str) -> datetime | None:
    """Parse a time of the service; return None if it is not valid."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None


def _to_the_minute(text: str) -> str:
    time = parsed_time(text)
    return f"{time:%Y-%m-%d %H:%M}" if time else text


def _heading(*names: str) -> tuple[Cell, ...]:
    return tuple(Cell(name, "bold") for name in names)

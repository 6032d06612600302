"""What is told before anything is built, and schedules as a CronJob has them."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from cronsim import CronSim

from backends.runners.base import RunSpec
from backends.runners.kubernetes.checks import check
from backends.runners.kubernetes.schedules import kubernetes_schedule, next_run
from backends.runners.kubernetes.template import parse_template
from tests.conftest import NOON
from tests.runners.kubernetes.making import TEMPLATE


def told(template: str = TEMPLATE, component: str = "web", **spec: Any) -> list[tuple[str, str]]:
    found = check(component, RunSpec(**{"command": "serve", **spec}), parse_template(template))
    return [(each.field, each.message) for each in (*found.problems, *found.warnings)]


def test_there_is_nothing_to_say_of_what_can_be_carried_out() -> None:
    assert told(port=8000, publish="/", mount="none", emails="none", filelog=False) == []
    assert told(component="x" * 63) == []
    assert told(component="x" * 52, schedule="@daily") == []
    assert told("mounts: {all: {}}", mount="all") == []
    assert told(command="it's") == []


@pytest.mark.parametrize(
    ("field", "message", "arguments"),
    [
        ("schedule", "at most 52 characters", {"component": "x" * 53, "schedule": "@daily"}),
        ("port", "must begin with a letter", {"component": "1st", "port": 80}),
        ("publish", "template has no host", {"template": "", "port": 80, "publish": "/"}),
        ("mount", "template has no volumes", {"mount": "all"}),
        ("command", "No closing quotation", {"template": "command: argv", "command": "it's"}),
        (
            "health_check_script",
            "No closing quotation",
            {"template": "command: argv", "health_check_script": '"'},
        ),
        ("command", "16384", {"command": "x" * 20000}),
    ],
)
def test_what_cannot_be_carried_out_is_a_problem(
    field: str, message: str, arguments: dict[str, Any]
) -> None:
    ((found, said),) = told(**arguments)
    assert found == field
    assert message in said


def test_what_has_no_effect_is_a_warning() -> None:
    spec = RunSpec("serve", emails="all", filelog=True, filelog_stdout="/a", filelog_stderr="/b")
    found = check("web", spec, parse_template(""))
    assert found.problems == ()
    assert [each.field for each in found.warnings] == [
        "emails",
        "filelog",
        "filelog_stdout",
        "filelog_stderr",
    ]
    assert {each.message for each in found.warnings} == {"has no effect with the runner kubernetes"}


@pytest.mark.parametrize(
    ("schedule", "there"),
    [
        ("@weekly", "@weekly"),
        ("*/5 * * * *", "*/5 * * * *"),
        ("0  3 * *  7", "0 3 * * 0"),
        ("0 3 * * 5-7", "0 3 * * 0,5,6"),
        ("0 3 * * 1-7/2", "0 3 * * 0,1,3,5"),
        ("0 3 * * 7/2", "0 3 * * 0"),
        ("0 3 * * 1,7,sat", "0 3 * * 1,0,sat"),
        ("0 3 * * mon-fri", "0 3 * * mon-fri"),
    ],
)
def test_a_cron_job_knows_no_seventh_day(schedule: str, there: str) -> None:
    assert kubernetes_schedule(schedule) == there
    if not schedule.startswith("@"):
        times = [list(islice(CronSim(each, NOON), 20)) for each in (schedule, there)]
        assert times[0] == times[1]


def test_the_next_time_is_in_utc() -> None:
    at = datetime(2025, 1, 1, 12, tzinfo=UTC)
    assert next_run("0 3 * * *", at) == datetime(2025, 1, 2, 3, tzinfo=UTC)
    assert next_run("@hourly", at) == at + timedelta(hours=1)


@pytest.mark.parametrize("schedule", ["0 0 30 2 *", "@every 5m", "", "TZ=UTC * * * * *"])
def test_what_is_never_due_or_not_known_has_no_next_time(schedule: str) -> None:
    assert next_run(schedule, NOON) is None

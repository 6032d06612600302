"""The fields of `run`: which values are valid, and the errors for others."""

from typing import Any

import pytest

from tests.configuration.helpers import errors, with_run


@pytest.mark.parametrize(
    "run",
    [
        {"port": 8000, "port_protocol": "tcp", "publish": "/", "health_check_http": "/health"},
        {"port": 53, "port_protocol": "udp", "health_check_script": "./check"},
        {"replicas": 2, "memory": "1Gi", "cpu": "1", "mount": "all", "emails": "onfailure"},
        {"memory": "512Mi", "cpu": "500m"},
        {"command": " \n start\n\n now "},
        {"memory": "1e9", "cpu": ".5"},
        {"filelog": True, "filelog_stdout": "/logs/out", "filelog_stderr": "err.log"},
        {"schedule": "@daily", "timeout": 0, "retry": 5},
        {"schedule": "*/15 2-4 1,15 jan MON"},
        {"schedule": "13 9 * * *"},
    ],
)
def test_valid_run_fields_are_accepted(run: dict[str, Any]) -> None:
    assert errors(with_run(**run)) == []


@pytest.mark.parametrize(
    ("run", "error"),
    [
        ({"command": 5}, "command: must be a string, not 5: put it in quotes"),
        ({"command": ["a"]}, "command: must be a string, not a list"),
        ({"command": None}, "command: must be a string, not null"),
        ({"cpu": None}, "cpu: must not be null: leave it out instead"),
        ({"cpu": "1" * 65}, "cpu: must have at most 64 characters, not 65"),
        ({"schedule": "1," * 300 + "1 * * * *"}, "schedule: must have at most 500 characters, not"),
        ({"command": "  "}, 'command: must be a command, not "  "'),
        ({"command": "a\0"}, 'command: must be a command, not "a\\u0000"'),
        ({"cpu": "1 GHz"}, 'cpu: must be a Kubernetes quantity such as "500m" or "2", not "1 GHz"'),
        ({"cpu": "-1"}, "cpu: must be a Kubernetes quantity"),
        ({"memory": 1}, "memory: must be a string, not 1: put it in quotes"),
        ({"memory": "1Gi\n"}, 'memory: must be a Kubernetes quantity such as "512Mi"'),
        ({"mount": "some"}, 'mount: must be "none" or "all", not "some"'),
        ({"emails": "never"}, 'emails: must be "none" or "all" or "onfinish" or "onfailure"'),
        ({"filelog": "yes"}, 'filelog: must be true or false, not "yes"'),
        ({"filelog_stdout": ""}, 'filelog_stdout: must be a path, not ""'),
        ({"port": 0}, "port: must be a whole number, 1 to 65535, not 0"),
        ({"port": 65536}, "port: must be a whole number, 1 to 65535, not 65536"),
        ({"port": "80"}, 'port: must be a whole number, 1 to 65535, not "80"'),
        ({"port": True}, "port: must be a whole number, 1 to 65535, not true"),
        ({"port": 80.0}, "port: must be a whole number, 1 to 65535, not 80.0"),
        ({"port_protocol": "sctp"}, 'port_protocol: must be "tcp" or "udp", not "sctp"'),
        ({"port": 80, "publish": "/a"}, 'publish: must be "/", not "/a"'),
        ({"publish": "/"}, "publish: needs a tcp port: give the component's port"),
        ({"health_check_http": "/"}, "health_check_http: needs a tcp port"),
        (
            {"port": 53, "port_protocol": "udp", "health_check_http": "/"},
            "health_check_http: needs a tcp port",
        ),
        (
            {"port": 80, "health_check_http": "health"},
            'health_check_http: must be a path that begins with "/", not "health"',
        ),
        (
            {"port": 80, "health_check_http": "/", "health_check_script": "x"},
            "health_check_script: cannot be combined with health_check_http: keep one",
        ),
        ({"replicas": 0}, "replicas: must be a whole number, 1 or more, not 0"),
        ({"replicas": -(10**4000)}, "replicas: must be a whole number, 1 or more, not -100000"),
        ({"schedule": "@often"}, "schedule: must be five cron fields (minute, hour, day, month"),
        ({"schedule": "* * * *"}, "schedule: must be five cron fields"),
        ({"schedule": "* * * * * *"}, "schedule: must be five cron fields"),
        ({"schedule": "61 * * * *"}, 'schedule: has a bad minute: "61 * * * *"'),
        ({"schedule": "* * * * FOO"}, "schedule: has a bad day-of-week"),
        ({"schedule": "0 0 L * *"}, "schedule: must be five cron fields"),
        ({"schedule": None}, "schedule: must be a string, not null"),
        ({"schedule": "@daily", "timeout": -1}, "timeout: must be a whole number, 0 or more"),
        ({"schedule": "@daily", "retry": 6}, "retry: must be a whole number, 0 to 5, not 6"),
    ],
)
def test_invalid_run_fields_are_reported_by_path(run: dict[str, Any], error: str) -> None:
    (found,) = errors(with_run(**run))
    assert found.startswith(f"components.web.run.{error}")

"""Settings are read from the environment, validated at the start, and documented."""

import dataclasses
import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest

from components.cli.program import program
from components.engine.queue.state import WhenBusy
from components.plugins import BUILDERS, MEMBERS, RUNNERS, STORES, open_builder
from components.settings import PREFIX, Settings, SettingsError, environment, read_settings
from components.unknown_settings import CLIENT_VARIABLES, unknown_settings

DOCUMENTED = Path(__file__).parents[2] / "docs/settings.md"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(environment_names()):
        monkeypatch.delenv(name, raising=False)


def environment_names() -> set[str]:
    """Return the names of all variables that the service and its backends read."""
    env = environment()
    Settings.from_env(env)
    for group in (STORES, BUILDERS, RUNNERS, MEMBERS):
        for each in entry_points(group=group):
            each.load()(env)
    return {f"{PREFIX}{name.removeprefix(PREFIX)}" for name in env.dump()}


def test_the_tls_files_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CERT", "KEY", "CLIENT_CA"):
        monkeypatch.setenv(f"{PREFIX}TLS_{name}", f"/tls/{name}")
    settings = read_settings(environment())
    assert (settings.tls_cert, settings.tls_key, settings.tls_client_ca) == (
        "/tls/CERT",
        "/tls/KEY",
        "/tls/CLIENT_CA",
    )
    assert settings.tls
    assert not settings.for_probes().tls


def test_without_variables_the_settings_have_their_defaults() -> None:
    assert read_settings(environment()) == Settings()


def test_settings_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("HOST", "::", "host", "::"),
        ("PORT", "0", "port", 0),
        ("STORE", "kubernetes", "store", "kubernetes"),
        ("BUILDER", "tekton", "builder", "tekton"),
        ("DEPLOYMENTS_KEPT", "3", "deployments_kept", 3),
        ("CONFIGS_KEPT", "3", "configs_kept", 3),
        ("MAX_RUNNING", "2", "max_running", 2),
        ("MAX_QUEUED", "0", "max_queued", 0),
        ("WRITES_PER_MINUTE", "0", "writes_per_minute", 0),
        ("READS_PER_MINUTE", "0", "reads_per_minute", 0),
        ("MAX_HELD", "3", "max_held", 3),
        ("MAX_CONNECTIONS", "7", "max_connections", 7),
        ("MAX_CONNECTIONS_PER_ADDRESS", "0", "max_connections_per_address", 0),
        ("IDLE_TIMEOUT", "75", "idle_timeout", 75.0),
        ("HOSTS", "A.example, b.example,", "hosts", ("a.example", "b.example")),
        ("AUTH_HEADER", "x-subject", "auth_header", "x-subject"),
        ("AUTH_ORGANIZATION", "cloud", "auth_organization", "cloud"),
        ("REQUEST_TIMEOUT", "2.5", "request_timeout", 2.5),
        ("LOG_LEVEL", "DEBUG", "log_level", "DEBUG"),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("GATEWAY_SUBJECTS", "CN=a,O=b; CN=c; ;", "gateway_subjects", ("CN=a,O=b", "CN=c")),
        ("TRUST_PLAINTEXT", "true", "trust_plaintext", True),
        ("PROBE_PORT", "8080", "probe_port", 8080),
        ("TOOLFORGE_API", "true", "toolforge_api", True),
        ("TOOLFORGE_WHEN_BUSY", "queue", "toolforge_when_busy", WhenBusy.QUEUE),
    ],
)
def test_each_setting_is_read_from_a_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, field: str, expected: Any
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    assert read_settings(environment()) == dataclasses.replace(Settings(), **{field: expected})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", ""),
        ("PORT", "http"),
        ("PORT", "65536"),
        ("DEPLOYMENTS_KEPT", "0"),
        ("CONFIGS_KEPT", "0"),
        ("MAX_RUNNING", "-1"),
        ("MAX_QUEUED", "x"),
        ("WRITES_PER_MINUTE", "-1"),
        ("READS_PER_MINUTE", "-1"),
        ("MAX_HELD", "-1"),
        ("MAX_CONNECTIONS", "0"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "-1"),
        ("IDLE_TIMEOUT", "0"),
        ("HOSTS", "https://a.example"),
        ("HOSTS", "a.example:8000"),
        ("AUTH_HEADER", ""),
        ("AUTH_ORGANIZATION", ""),
        ("REQUEST_TIMEOUT", "0"),
        ("REQUEST_TIMEOUT", "soon"),
        ("REQUEST_TIMEOUT", "nan"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("PROBE_PORT", "x"),
        ("TRUST_PLAINTEXT", "perhaps"),
        ("TOOLFORGE_API", "perhaps"),
        ("TOOLFORGE_WHEN_BUSY", "wait"),
        ("TLS_CERT", "/tls/tls.crt"),
    ],
)
def test_an_invalid_value_is_reported_in_one_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"{PREFIX}{name}", value)
    with pytest.raises(SettingsError) as caught:
        read_settings(environment())
    assert f"{PREFIX}{name}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_more_deployments_are_kept_than_may_run_and_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}MAX_RUNNING", "1")
    monkeypatch.setenv(f"{PREFIX}DEPLOYMENTS_KEPT", "6")
    with pytest.raises(SettingsError, match="MAX_QUEUED = 6, not 6"):
        read_settings(environment())
    monkeypatch.setenv(f"{PREFIX}DEPLOYMENTS_KEPT", "7")
    assert read_settings(environment()).deployments_kept == 7


@pytest.mark.parametrize("value", ["-1", "fast", "nan"])
async def test_an_invalid_value_of_a_backends_setting_is_reported_with_its_name(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("COMPONENTS_SIMULATED_BUILD_SECONDS", value)
    with pytest.raises(SettingsError, match="COMPONENTS_SIMULATED_BUILD_SECONDS"):
        await open_builder("simulated", environment())


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("STOER", "did you mean COMPONENTS_STORE?"),
        ("SIMULATED_BUILD_SECOND", "did you mean COMPONENTS_SIMULATED_BUILD_SECONDS?"),
        ("QQQ", "no selected backend has it"),
    ],
)
async def test_an_unknown_variable_is_reported_with_the_most_similar_known_one(
    monkeypatch: pytest.MonkeyPatch, name: str, hint: str
) -> None:
    env = environment()
    await open_builder("simulated", env)
    monkeypatch.setenv(f"{PREFIX}{name}", "x")
    assert list(unknown_settings(env)) == [
        f"COMPONENTS_{name} is set, and nothing reads it: {hint}"
    ]


async def test_known_variables_are_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (
        *("HOST", "TLS_CERT", "SIMULATED_BUILD_SECONDS"),
        *("URL", "CLIENT_CERT"),  # the command line's
        *("API_SERVICE_HOST", "API_SERVICE_PORT_HTTPS", "API_PORT", "API_PORT_443_TCP_ADDR"),
    )
    for name in names:
        monkeypatch.setenv(f"{PREFIX}{name}", "1")
    env = environment()
    await open_builder("simulated", env)
    assert list(unknown_settings(env)) == []


def test_the_variables_of_the_command_line_are_known() -> None:
    def variables(command: click.Command) -> set[str]:
        own = {str(each.envvar) for each in command.params if each.envvar}
        more = command.commands.values() if isinstance(command, click.Group) else ()
        return own.union(*map(variables, more))

    read = {each.removeprefix(PREFIX) for each in variables(program)}
    settings = {each.name.upper() for each in dataclasses.fields(Settings)}
    # A token has no option.
    assert {*read, "TOKEN"} - settings == CLIENT_VARIABLES


def test_exactly_the_existing_variables_are_documented() -> None:
    section = DOCUMENTED.read_text()
    documented = set(re.findall(r"^\| `(COMPONENTS_\w+)` \|", section, flags=re.MULTILINE))
    assert documented == environment_names()


def shown(default: object) -> str:
    """Return a default as the documents show it."""
    if default in ("", (), None):
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_documented_defaults_are_correct() -> None:
    section = DOCUMENTED.read_text()
    defaults = dict(
        re.findall(r"^\| `COMPONENTS_(\w+)` \| `([^`]+)` \|", section, flags=re.MULTILINE)
    )
    for field in dataclasses.fields(Settings):
        assert defaults[field.name.upper()] == shown(field.default)

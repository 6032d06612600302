"""Settings: read from the environment once, in one place, and passed on as a frozen value.

A backend reads its own settings from the same `Env` when it is opened.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from environs import Env, EnvError, ValidationError, validate

from components.engine.queue.state import WhenBusy

PREFIX = "COMPONENTS_"
"""The prefix of all environment variables of this project."""

PROBE_CONNECTIONS = 16
"""How many connections the port of the health checks accepts at a time."""

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")


class SettingsError(Exception):
    """A setting is invalid; the message is one line that names it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this instance runs; docs/settings.md describes each setting. Times are in seconds."""

    host: str = "127.0.0.1"
    port: int = 8000
    store: str = "memory"
    builder: str = "simulated"
    runner: str = "none"
    members: str = "single"
    deployments_kept: int = 10
    configs_kept: int = 10
    max_running: int = 0
    max_queued: int = 5
    writes_per_minute: int = 60
    reads_per_minute: int = 600
    max_held: int = 20
    max_connections: int = 512
    max_connections_per_address: int = 128
    idle_timeout: float = 15.0
    hosts: tuple[str, ...] = ()
    auth_header: str = "ssl-client-subject-dn"
    auth_organization: str = "toolforge"
    request_timeout: float = 30.0
    stop_timeout: float = 20.0
    launch_timeout: float = 60.0
    build_timeout: float = 1800.0
    run_timeout: float = 600.0
    deployment_timeout: float = 3600.0
    log_level: str = "INFO"
    log_format: str = "text"
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    gateway_subjects: tuple[str, ...] = ()
    trust_plaintext: bool = False
    source_private: bool = False
    probe_port: int | None = None
    toolforge_api: bool = False
    toolforge_when_busy: WhenBusy = WhenBusy.REJECT

    @property
    def tls(self) -> bool:
        """Whether the service terminates TLS itself."""
        return bool(self.tls_cert)

    def for_probes(self) -> Self:
        """Return the settings for the port of the health checks: plain text, few connections."""
        return replace(
            self,
            port=self.probe_port or 0,
            tls_cert="",
            tls_key="",
            tls_client_ca="",
            max_connections=PROBE_CONNECTIONS,
        )

    @classmethod
    def from_env(cls, env: Env) -> Self:
        """Read the settings. Raises `EnvError` with the name of the one that is invalid."""
        not_empty = validate.Length(min=1)
        settings = cls(
            host=env.str("HOST", cls.host, validate=not_empty),
            port=env.int("PORT", cls.port, validate=validate.Range(0, 65535)),
            store=env.str("STORE", cls.store),
            builder=env.str("BUILDER", cls.builder),
            runner=env.str("RUNNER", cls.runner),
            members=env.str("MEMBERS", cls.members),
            deployments_kept=env.int(
                "DEPLOYMENTS_KEPT", cls.deployments_kept, validate=validate.Range(1, 400)
            ),
            configs_kept=env.int("CONFIGS_KEPT", cls.configs_kept, validate=validate.Range(1, 400)),
            max_running=env.int("MAX_RUNNING", cls.max_running, validate=validate.Range(0, 1000)),
            max_queued=env.int("MAX_QUEUED", cls.max_queued, validate=validate.Range(0, 1000)),
            writes_per_minute=env.int(
                "WRITES_PER_MINUTE", cls.writes_per_minute, validate=validate.Range(0, 1_000_000)
            ),
            reads_per_minute=env.int(
                "READS_PER_MINUTE", cls.reads_per_minute, validate=validate.Range(0, 1_000_000)
            ),
            max_held=env.int("MAX_HELD", cls.max_held, validate=validate.Range(0, 10_000)),
            max_connections=env.int(
                "MAX_CONNECTIONS", cls.max_connections, validate=validate.Range(1, 100_000)
            ),
            max_connections_per_address=env.int(
                "MAX_CONNECTIONS_PER_ADDRESS",
                cls.max_connections_per_address,
                validate=validate.Range(0, 100_000),
            ),
            idle_timeout=env.float(
                "IDLE_TIMEOUT", cls.idle_timeout, validate=validate.Range(0.1, 3600)
            ),
            hosts=tuple(filter(None, env.list("HOSTS", [], subcast=_host_name))),
            auth_header=env.str("AUTH_HEADER", cls.auth_header, validate=not_empty),
            auth_organization=env.str(
                "AUTH_ORGANIZATION", cls.auth_organization, validate=not_empty
            ),
            request_timeout=env.float(
                "REQUEST_TIMEOUT", cls.request_timeout, validate=validate.Range(0.1, 3600)
            ),
            stop_timeout=env.float(
                "STOP_TIMEOUT", cls.stop_timeout, validate=validate.Range(10, 3600)
            ),
            launch_timeout=env.float(
                "LAUNCH_TIMEOUT", cls.launch_timeout, validate=validate.Range(1, 3600)
            ),
            build_timeout=env.float(
                "BUILD_TIMEOUT", cls.build_timeout, validate=validate.Range(1, 7 * 86400)
            ),
            run_timeout=env.float(
                "RUN_TIMEOUT", cls.run_timeout, validate=validate.Range(1, 7 * 86400)
            ),
            deployment_timeout=env.float(
                "DEPLOYMENT_TIMEOUT", cls.deployment_timeout, validate=validate.Range(1, 7 * 86400)
            ),
            log_level=env.str("LOG_LEVEL", cls.log_level, validate=validate.OneOf(LOG_LEVELS)),
            log_format=env.str("LOG_FORMAT", cls.log_format, validate=validate.OneOf(LOG_FORMATS)),
            tls_cert=env.str("TLS_CERT", cls.tls_cert),
            tls_key=env.str("TLS_KEY", cls.tls_key),
            tls_client_ca=env.str("TLS_CLIENT_CA", cls.tls_client_ca),
            gateway_subjects=tuple(
                filter(None, env.list("GATEWAY_SUBJECTS", [], subcast=str.strip, delimiter=";"))
            ),
            trust_plaintext=env.bool("TRUST_PLAINTEXT", cls.trust_plaintext),
            source_private=env.bool("SOURCE_PRIVATE", cls.source_private),
            probe_port=env.int("PROBE_PORT", cls.probe_port, validate=validate.Range(0, 65535)),
            toolforge_api=env.bool("TOOLFORGE_API", cls.toolforge_api),
            toolforge_when_busy=WhenBusy(
                env.str(
                    "TOOLFORGE_WHEN_BUSY",
                    cls.toolforge_when_busy.value,
                    validate=validate.OneOf([each.value for each in WhenBusy]),
                )
            ),
        )
        unfinished = settings.max_running + settings.max_queued
        if settings.max_running and settings.deployments_kept <= unfinished:
            raise EnvError(
                f"{PREFIX}DEPLOYMENTS_KEPT: must be greater than "
                f"{PREFIX}MAX_RUNNING + {PREFIX}MAX_QUEUED = {unfinished}, "
                f"not {settings.deployments_kept}"
            )
        files = (settings.tls_cert, settings.tls_key, settings.tls_client_ca)
        if any(files) and not all(files):
            raise EnvError(f"{PREFIX}TLS_CERT, _KEY and _CLIENT_CA go together: one is missing")
        return settings


def _host_name(text: str) -> str:
    name = text.strip().lower()
    if re.search(r"[/@\[\]\s]|^[^:]*:[^:]*$", name):
        raise ValidationError(f"{name!r} is not a host name: leave out the scheme and the port")
    return name


def environment() -> Env:
    """Return the environment that the settings are read from."""
    return Env(prefix=PREFIX)


def read_settings(env: Env) -> Settings:
    """Return the settings. Raises `SettingsError` with one line that names the invalid one."""
    try:
        return Settings.from_env(env)
    except EnvError as error:
        raise SettingsError(one_line(error)) from None


def one_line(error: EnvError) -> str:
    """Return the message of an `EnvError` in one line."""
    return " ".join(str(error).split())

"""The settings of the gateway to Toolforge's services: each service is at a path of its own."""

from dataclasses import dataclass, field
from typing import Self

from environs import Env, EnvError
from yarl import URL

from backends.toolforge.files import ClientFiles


@dataclass(frozen=True, slots=True)
class Gateway:
    """A service behind the gateway: its URL, and the files of the client's certificate."""

    url: URL
    files: ClientFiles = field(default_factory=ClientFiles)

    @classmethod
    def from_env(cls, env: Env, service: str) -> Self:
        """Return `TOOLFORGE_URL`, `_CERT`, `_KEY` and `_CA`; `service` is a path of the URL.

        Nothing is checked: see `check`.
        """
        files = ClientFiles(
            env.str("TOOLFORGE_CERT", ""), env.str("TOOLFORGE_KEY", ""), env.str("TOOLFORGE_CA", "")
        )
        try:
            url = URL(env.str("TOOLFORGE_URL", ""))
        except ValueError:
            url = URL()
        return cls(url / service if url.host else url, files)

    def check(self) -> None:
        """Raise `EnvError` for a setting with which no call can be made."""
        url, files = self.url, self.files
        if url.scheme not in ("http", "https") or not url.host or url.user or url.query_string:
            raise EnvError(
                "COMPONENTS_TOOLFORGE_URL: must be the http or https URL of the gateway, for "
                "example https://api.example.org:30003"
            )
        if bool(files.certificate) != bool(files.key):
            raise EnvError(
                "COMPONENTS_TOOLFORGE_CERT and _KEY must be set together: one is missing"
            )

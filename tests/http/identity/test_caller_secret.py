"""If builds run on this machine, callers in plain text need a secret that builds cannot read."""

import stat
from pathlib import Path

import pytest

from components.caller_secret import CALLER_HEADER, read_secret, secret_file, stored_secret
from components.http.app import create_app
from components.http.identity.needs import PUBLIC_PATHS
from components.http.keys import CALLER_SECRET
from components.settings import Settings
from tests.builders.scripted import ScriptedBuilder
from tests.http.conftest import CONFIG, Serve, errors_of
from tests.stores.counting import CountingStore


class BuildsHere(ScriptedBuilder):
    """A builder whose builds run on this machine."""

    runs_here = True


@pytest.mark.parametrize("trusting", [False, True])
@pytest.mark.parametrize("headers", [{}, {CALLER_HEADER: ""}, {CALLER_HEADER: "guessed \udcff"}])
async def test_callers_without_the_secret_are_unauthenticated(
    serve: Serve, headers: dict[str, str], trusting: bool
) -> None:
    client = await serve(using=BuildsHere(), trust_plaintext=trusting)
    (error,) = await errors_of(await client.get(CONFIG, headers=headers), 401)
    assert error.startswith("the header components-secret must have this service's secret")


async def test_a_caller_with_the_secret_is_trusted(serve: Serve, store: CountingStore) -> None:
    app = create_app(Settings(), store, BuildsHere())
    client = await serve(app=app)
    headers = {CALLER_HEADER: app[CALLER_SECRET]}
    assert (await client.get(CONFIG, headers=headers)).status == 404


async def test_each_service_has_its_own_secret() -> None:
    assert create_app(Settings())[CALLER_SECRET] != create_app(Settings())[CALLER_SECRET]


async def test_public_paths_need_no_secret(serve: Serve) -> None:
    client = await serve(using=BuildsHere())
    for path in PUBLIC_PATHS - {"/docs/static/{name}", "/v1/healthz"}:
        assert (await client.get(path)).status == 200


@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "HOME"])
def test_only_the_user_of_the_service_can_read_the_secret_file_while_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    with stored_secret(8000, "secret") as file:
        assert file.is_relative_to(tmp_path)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert read_secret(8000) == "secret"
        assert read_secret(8001) is None
    assert read_secret(8000) is None


def test_a_leftover_secret_file_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of another user")
    secret_file(8000).parent.mkdir()
    secret_file(8000).symlink_to(elsewhere)
    with stored_secret(8000, "secret"):
        assert read_secret(8000) == "secret"
    assert elsewhere.read_text() == "of another user"


def test_the_secret_file_of_a_later_service_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with stored_secret(8000, "earlier"):
        secret_file(8000).write_text("later")
    assert read_secret(8000) == "later"

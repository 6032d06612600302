"""Backends by name: entry points, so that third-party packages can provide backends.

An entry point names a callable that takes an `Env`, reads its own settings from it, and returns
the backend without blocking. The backend connects in its `open`.
"""

from importlib.metadata import entry_points
from typing import Any

from environs import Env, EnvError

from backends.builders.base import Builder
from backends.members.base import Members
from backends.runners.base import Runner
from backends.stores.base import Store
from components.settings import PREFIX, SettingsError, one_line

STORES = "components.stores"
BUILDERS = "components.builders"
MEMBERS = "components.members"
RUNNERS = "components.runners"


async def open_store(name: str, env: Env) -> Store:
    """Return the store registered as `name`, opened. Raises `SettingsError`."""
    store: Store = await _open(STORES, "STORE", name, env)
    return store


async def open_builder(name: str, env: Env) -> Builder:
    """Return the builder registered as `name`, opened. Raises `SettingsError`."""
    builder: Builder = await _open(BUILDERS, "BUILDER", name, env)
    return builder


async def open_runner(name: str, env: Env) -> Runner:
    """Return the runner that an entry point provides under `name`. Raises `SettingsError`."""
    runner: Runner = await _open(RUNNERS, "RUNNER", name, env)
    return runner


async def open_members(name: str, env: Env) -> Members:
    """Return the members registered as `name`, opened. Raises `SettingsError`."""
    members: Members = await _open(MEMBERS, "MEMBERS", name, env)
    return members


async def _open(group: str, setting: str, name: str, env: Env) -> Any:
    provided = {each.name: each for each in entry_points(group=group)}
    if name not in provided:
        names = ", ".join(sorted(provided)) or "none is installed"
        raise SettingsError(f"{PREFIX}{setting}: nothing provides {name!r}; there are: {names}")
    try:
        backend = provided[name].load()(env)
        await backend.open()
    except EnvError as error:
        raise SettingsError(one_line(error)) from None
    return backend

"""The demo: starts the service, deploys a sample, follows the deployment, and stops the service.

`make demo` runs it. Everything runs on this machine and in memory. If buildah, podman or docker
works here, two images are built from a generated repository. Otherwise an example configuration is
deployed with simulated builds.
"""

import asyncio
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from examples.sample import engine_environment, sample

CONFIGURATION = os.path.relpath(Path(__file__).parent / "configurations/observatory.yaml")
COMPONENTS = Path(sys.executable).with_name("components")
STOP_SECONDS = 15


async def main() -> int:
    """Run the demo; return the exit code of the deployment."""
    # On SIGTERM, stop the service as well.
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with TemporaryDirectory(prefix="components-demo-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        engine = await asyncio.to_thread(engine_environment, directory)
        if engine is None:
            print("no buildah, podman or docker builds images here, so builds are simulated\n")
            environ = {"COMPONENTS_BUILDER": "simulated", "COMPONENTS_TOOL": "observatory"}
            return await demonstrate(environ, CONFIGURATION)
        print(f"{engine['COMPONENTS_LOCAL_ENGINE']} builds images here\n")
        environ = {"COMPONENTS_BUILDER": "local", "COMPONENTS_TOOL": "sample", **engine}
        async with sample(directory) as configuration:
            code = await demonstrate(environ, str(configuration), "worker")
            await images({**os.environ, **engine})
            return code


async def demonstrate(more: Mapping[str, str], configuration: str, logs: str = "") -> int:
    """Deploy a configuration to a new service; return the exit code of the deployment."""
    async with service(more) as environ:
        print(f"the service runs at {environ['COMPONENTS_URL']}\n", flush=True)
        code = await run(environ, "config", "set", configuration)
        code = code or await run(environ, "deploy", "--follow")
        if logs:
            code = code or await run(environ, "logs", logs)
        return code


@asynccontextmanager
async def service(more: Mapping[str, str]) -> AsyncIterator[dict[str, str]]:
    """Run a new service; yield an environment for the command line to use it."""
    environ = os.environ | {
        "COMPONENTS_HOST": "127.0.0.1",
        "COMPONENTS_PORT": "0",  # any free port
        "COMPONENTS_STORE": "memory",
        "COMPONENTS_LOG_FORMAT": "text",
        "COMPONENTS_LOG_LEVEL": "INFO",
        **more,
    }
    process = await asyncio.create_subprocess_exec(COMPONENTS, "serve", env=environ, stderr=PIPE)
    try:
        yield environ | {"COMPONENTS_URL": await address_of(process)}
    finally:
        await stop(process)


async def images(environ: Mapping[str, str]) -> None:
    """Show the images that were built."""
    engine = environ["COMPONENTS_LOCAL_ENGINE"]
    print(f"$ {engine} images", flush=True)
    listing = await asyncio.create_subprocess_exec(engine, "images", env=environ)
    await listing.wait()


async def address_of(service: Process) -> str:
    """Return the URL of the service from its log."""
    assert service.stderr is not None
    async for line in service.stderr:
        if found := re.search(rb"listening on (http://\S+)", line):
            return found[1].decode()
        sys.stderr.buffer.write(line)
    raise SystemExit("the service did not start")


async def run(environ: dict[str, str], *arguments: str) -> int:
    """Print a command, run it, and return its exit code."""
    print(f"$ components {shlex.join(arguments)}", flush=True)
    command = await asyncio.create_subprocess_exec(COMPONENTS, *arguments, env=environ)
    code = await command.wait()
    print(flush=True)
    return code


async def stop(service: Process) -> None:
    """Stop the service; kill it if it does not stop in time."""
    if service.returncode is None:
        service.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await service.communicate()
    except TimeoutError:
        service.kill()
        await service.wait()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.exit("stopped")

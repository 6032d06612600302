"""The service as run by `components serve`, which writes its number of asyncio tasks to a file.

python -m tests.chaos.task_counter FILE
"""

import asyncio
import os
import sys
from pathlib import Path

from components.logs import setup_logging
from components.serve import serve
from components.settings import environment, read_settings

EVERY_SECONDS = 0.5


async def _count(file: Path) -> None:
    with file.open("r+") as out:
        while True:
            # Overwrite in place with a fixed length, so that a concurrent reader always finds a
            # number.
            os.pwrite(out.fileno(), f"{len(asyncio.all_tasks()):6}".encode(), 0)
            await asyncio.sleep(EVERY_SECONDS)


async def main(file: Path) -> None:
    """Serve until SIGTERM, and count tasks."""
    settings = read_settings(environment())
    setup_logging(settings.log_level, settings.log_format)
    counting = asyncio.create_task(_count(file))
    try:
        await serve(settings)
    finally:
        counting.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

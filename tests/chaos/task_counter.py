"""The service as `components serve` runs it, and a file that says how many asyncio tasks it has.

python -m tests.chaos.counted FILE
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
            # Over what is there, and always as long: whoever reads meanwhile finds a number.
            os.pwrite(out.fileno(), f"{len(asyncio.all_tasks()):6}".encode(), 0)
            await asyncio.sleep(EVERY_SECONDS)


async def main(file: Path) -> None:
    """Serve until SIGTERM, counting."""
    settings = read_settings(environment())
    setup_logging(settings.log_level, settings.log_format)
    counting = asyncio.create_task(_count(file))
    try:
        await serve(settings)
    finally:
        counting.cancel()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

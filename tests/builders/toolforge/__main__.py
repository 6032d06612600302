"""Runs the fake builds service.

python -m tests.builders.toolforge --port 9000 --seconds 2 --cut 0.05 --seed 1
"""

import argparse
import asyncio
from random import Random

from aiohttp import web

from tests.builders.toolforge.builds_service import BuildsService
from tests.builders.toolforge.misbehaving import Fault, Html


def main() -> None:
    """Serve on loopback until stopped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--kept", type=int, default=5, help="ended builds of a tool that are kept")
    parser.add_argument(
        "--successes-kept", type=int, default=1, help="of these, at the start of another"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a build takes")
    parser.add_argument("--endless", type=float, default=0.0, help="how often a build never ends")
    parser.add_argument("--latency", type=float, default=0.0, help="maximum delay of a response")
    parser.add_argument(
        "--hesitate", type=float, default=0.0, help="how often the delay is many seconds"
    )
    parser.add_argument("--fail", type=float, default=0.0, help="how often the response is 503")
    parser.add_argument("--cut", type=float, default=0.0, help="how often a connection is cut")
    parser.add_argument("--html", type=float, default=0.0, help="how often a gateway responds")
    parser.add_argument("--slow", type=float, default=0.0, help="how often resolving a ref is slow")
    parser.add_argument(
        "--late", type=float, default=0.0, help="how often a cut call is executed late"
    )
    parser.add_argument("--late-seconds", type=float, default=20.0, help="maximum delay of those")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = Random(options.seed)
    service = BuildsService(options.slots, options.kept, options.seconds, options.successes_kept)
    service.endless = lambda: random.random() < options.endless

    def latency() -> float:
        hesitates = random.random() < options.hesitate
        return random.uniform(0, options.late_seconds if hesitates else options.latency)

    async def late() -> None:
        await asyncio.sleep(random.uniform(0, options.late_seconds))

    async def resolving(ref: str) -> None:
        if random.random() < options.slow:
            await late()

    faults: dict[Fault, float] = {
        "before": options.cut / 2,
        "after": options.cut / 2,
        "late": options.late,
        503: options.fail,
        Html(404): options.html / 2,
        Html(200): options.html / 2,
        0: max(0.0, 1 - options.cut - options.late - options.fail - options.html),
    }
    service.latency, service.lateness, service.resolving = latency, late, resolving
    service.fault = lambda: random.choices([*faults], [*faults.values()])[0]
    web.run_app(service.app(), host="127.0.0.1", port=options.port, access_log=None)


if __name__ == "__main__":
    main()

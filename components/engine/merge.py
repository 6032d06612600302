"""How news becomes part of a stored deployment: the one place where these rules are written.

A final build never changes. A build that has an id keeps it, and news that are not of that id
say nothing about it. It never goes back from running to pending, and what is known of it (commit,
image, digest, times) is not forgotten.
"""

from collections.abc import Mapping
from dataclasses import replace

from backends.builders.base import BuildStatus
from components.engine.model import Build, Deployment

_PROGRESS = {BuildStatus.PENDING: 0, BuildStatus.RUNNING: 1}
_FINAL_PROGRESS = 2

MESSAGES_LENGTH = 128 * 1024
"""How many characters the messages of a deployment have together, so that any store keeps them."""


def merged(stored: Deployment, news: Mapping[str, Build]) -> Deployment:
    """Return `stored` with the news of its builds, by component; `stored` itself if none."""
    longest = MESSAGES_LENGTH // len(stored.builds)
    builds = {
        name: _merged_build(build, news[name], longest) if name in news else build
        for name, build in stored.builds.items()
    }
    return replace(stored, builds=builds) if builds != stored.builds else stored


def _merged_build(stored: Build, new: Build, longest: int) -> Build:
    is_of_another = stored.build_id is not None and stored.build_id != new.build_id
    if stored.status.is_final or is_of_another or _progress(new) < _progress(stored):
        return stored
    return Build(
        status=new.status,
        build_id=new.build_id or stored.build_id,
        message=new.message[:longest],
        image=new.image or stored.image,
        digest=new.digest or stored.digest,
        commit=new.commit or stored.commit,
        started=new.started or stored.started,
        ended=new.ended or stored.ended,
    )


def _progress(build: Build) -> tuple[bool, int]:
    """Order builds by how far they are; one that a builder has accepted is ahead of one that waits.

    A final one is ahead of all, whether it was ever accepted or not.
    """
    if build.status.is_final:
        return (True, _FINAL_PROGRESS)
    return (build.build_id is not None, _PROGRESS[build.status])

"""Limits of a caller that may deploy only some components."""

from collections.abc import Collection, Sequence

from components.configuration.problems import listed
from components.engine.errors import NotPermitted
from components.engine.queue.state import WhenBusy


def check_components(permitted: Sequence[str] | None, deployed: Collection[str]) -> None:
    """Raise `NotPermitted` where a deployment has other components than the `permitted` ones.

    None permits all. What a component reuses the build of is deployed too.
    """
    if permitted is None:
        return
    others = [each for each in deployed if each not in permitted]
    if others:
        raise NotPermitted(
            f"components: this caller may deploy only {listed(permitted)}, and the deployment has "
            f"also {listed(others)}"
        )


def check_supersede(permitted: Sequence[str] | None, when_busy: WhenBusy) -> None:
    """Raise `NotPermitted` where a caller with limits would cancel whatever else is deployed."""
    if permitted is not None and when_busy is WhenBusy.SUPERSEDE:
        raise NotPermitted(
            "when-busy: this caller may deploy only some components, so it must not supersede "
            "deployments of others: use queue or reject"
        )

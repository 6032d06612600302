"""What the API server says, as a runner says it: translated in one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from backends.kube.errors import KubeError, KubeForbidden, KubeInvalid, KubeNotFound
from backends.runners.base import RunnerUnavailable, RunRejected


@contextmanager
def runner_errors(namespace: str) -> Iterator[None]:
    """Raise `RunRejected` for what a rule, quota or policy refuses; else `RunnerUnavailable`.

    A right that this service lacks is no matter of the component's: the operator may give it.
    """
    try:
        yield
    except KubeInvalid as error:
        raise RunRejected(str(error)) from None
    except KubeNotFound as error:
        if f'namespaces "{namespace}"' in str(error):
            raise RunRejected(f"there is no namespace {namespace!r}") from None
        raise RunnerUnavailable(f"the cluster does not have what is asked for: {error}") from None
    except KubeForbidden as error:
        raise RunnerUnavailable(str(error), maybe_started=False) from None
    except KubeError as error:
        raise RunnerUnavailable(str(error)) from None

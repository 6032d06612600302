"""In what a job differs from what is wanted, as far as the jobs service says what a job has.

The service may write the same in another way, and leaves out or fills in what a run part does not
set: neither is a difference.
"""

from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal, InvalidOperation

from backends.runners.base import RunSpec, Wanted

_DEFAULTS: dict[str, object] = {
    "retry": 0,
    "emails": "none",
    "filelog": False,
    "port_protocol": "tcp",
    "replicas": 1,
}
_BY_SERVICE = ("mount", "filelog_stdout", "filelog_stderr")
"""What the service decides where the run part does not."""

_NOT_TOLD = ("publish",)
"""What the service takes, and does not always show again."""

_QUANTITIES = ("cpu", "memory")
_FACTORS = {
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti"), 1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T"), 1)},
    "K": Decimal(1000),
    "m": Decimal("0.001"),
}


def differences(there: Wanted, wanted: Wanted) -> tuple[str, ...]:
    """Return in what a job differs from what is wanted: each field, with both values."""
    return tuple(_differences(there, wanted))


def _differences(there: Wanted, wanted: Wanted) -> Iterator[str]:
    if _image(there.image) != _image(wanted.image):
        yield _told("imagename", there.image, wanted.image)
    for each in fields(RunSpec):
        is_, should = getattr(there.spec, each.name), getattr(wanted.spec, each.name)
        if not _is_same(each.name, is_, should):
            yield _told(each.name, is_, should)


def _told(name: str, there: object, wanted: object) -> str:
    return f"{name}: is {_printed(there)}, and was {_printed(wanted)}"


def _printed(value: object) -> str:
    return "not set" if value is None else repr(value)[:200]


def _is_same(name: str, there: object, wanted: object) -> bool:
    if there is None and name in _NOT_TOLD:
        return True
    if wanted is None and name in _BY_SERVICE:
        return True
    default = _DEFAULTS.get(name)
    one, other = (default if each is None else each for each in (there, wanted))
    if isinstance(one, str) and isinstance(other, str):
        if name in _QUANTITIES:
            return one == other or _quantity(one) == _quantity(other)
        return one.split() == other.split()
    return one == other


def _quantity(text: str) -> Decimal | str:
    unit = next((each for each in _FACTORS if text.endswith(each)), "")
    try:
        return Decimal(text.removesuffix(unit)) * _FACTORS.get(unit, 1)
    except InvalidOperation:
        return text


def _image(name: str) -> str:
    """Return the name of an image without its registry, which the service leaves out."""
    registry, slash, path = name.partition("/")
    is_registry = "." in registry or ":" in registry or registry == "localhost"
    short = path if slash and is_registry else name
    return short if ":" in short.rpartition("/")[2] or "@" in short else f"{short}:latest"

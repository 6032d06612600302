"""Generated requests: expensive values in every place of a body."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from components.configuration.json_values import MAX_BYTES
from components.configuration.parts import (
    BuildSourceSchema,
    ContinuousRunSchema,
    ScheduledRunSchema,
)
from components.http.requests.deploy_requests import DeploySchema
from tests.factories import component, configuration
from tests.http.hostile import FULL, Request, config, deploy, yaml

_UNITS = (
    *("a", " ", "\n", "\0", "/", "//", "//a@", "-", ".", ",", "*", "1", "1,", "0-59,", ":59"),
    *("é", "😀", "\x85", "\u202e", '"', "\\", "jan", "* ", "1e", "_", "${", "@", "%"),
)
_NUMBERS = ("NaN", "1e999", "9" * 4300, "1." + "1" * 4000, "-0", "1e-400", "0", "true", "null")
_TAGS = ("!!set ", "!x ", "!!int ", "!!float ", "!!binary ", "!!str ", "!!timestamp ", "!!omap ")
_SCALARS = ("1:59", "2024-01-01", "0x1f", "1_000", ".nan", "~", "=", "<<", "yes", "a")
_SECTIONS = {
    "build": (BuildSourceSchema,),
    "run": (ContinuousRunSchema, ScheduledRunSchema),
}


class Chance(Random):
    """A seeded random generator, whose counts are divided by a scale."""

    def __init__(self, seed: int, scale: int) -> None:
        super().__init__(seed)
        self.scale = scale

    def count(self, *of: int) -> int:
        """Return one of some numbers, and at least 1."""
        return max(1, self.choice(of) // self.scale)


def generated(seed: int) -> Request:
    """Return the request of a seed: as large as possible without being truncated."""
    for scale in (1, 2, 4, 10, 40, 100, 400, 1000):
        chance = Chance(seed, scale)
        make = chance.choice((_config, _config, _yaml, _yaml, _aliases, _tagged, _deploy))
        request = make(chance)
        if len(request.body) < MAX_BYTES:
            break
    return request


def _config(chance: Chance) -> Request:
    return config(_written(_configuration(chance)))


def _yaml(chance: Chance) -> Request:
    return yaml(_written(_configuration(chance)))


def _aliases(chance: Chance) -> Request:
    """Mappings and lists, valid or not, with aliases over several levels."""
    width, tag = chance.count(3, 30, 900), chance.choice(("", "", *_TAGS))
    text = f"a0: &a0 {tag}{chance.choice(('{b: c}', '[b]', 'b' * 1000, '{b, b}', '{1: 2}'))}\n"
    for level in range(1, chance.randint(2, 40)):
        others = ",".join([f"*a{level - 1}"] * width)
        shape = chance.choice((f"[{others}]", f"{{<<: [{others}]}}", f"{{? [{others}] : b}}"))
        text += f"a{level}: &a{level} {chance.choice(('', '', tag))}{shape}\n"
    return yaml(text)


def _tagged(chance: Chance) -> Request:
    """Many scalars, with tags and without, in a list or as keys."""
    scalar = f"{chance.choice(('', *_TAGS))}{chance.choice(_SCALARS)}"
    if chance.random() < 0.5:
        scalar += chance.choice((":59", "0", "_", "f", " ")) * chance.count(1, 1000, 250_000)
    many = ", ".join([scalar] * (MAX_BYTES // (len(scalar) + 2)))
    return yaml(chance.choice((f"[{many}]", f"{{{many}}}", f"components: {{web: [{many}]}}")))


def _deploy(chance: Chance) -> Request:
    names = [each for each in DeploySchema().fields.values() if each.data_key != "dry-run"]
    options = {chance.choice(names).data_key or "components": _value(chance)}
    return deploy(chance.choice((options, {"components": _similar(chance)}, _many(chance))), FULL)


def _configuration(chance: Chance) -> Any:
    """A configuration with an expensive value in one place."""
    value, section = _value(chance), chance.choice(tuple(_SECTIONS))
    known = list(chance.choice(_SECTIONS[section])().fields)
    part: dict[str, Any] = {**component()[section]}
    part |= {chance.choice(known): value} if chance.random() < 0.7 else _many(chance)
    web = {**component(), section: part}
    return chance.choice(
        (
            configuration(web=web),
            configuration(web=web),
            configuration(web=web),
            {"components": dict.fromkeys(_similar(chance)[:5], web)},
            {"components": _many(chance)},
            {"components": dict.fromkeys(_similar(chance)[: chance.choice((2, 200))], value)},
            {**configuration(), **_many(chance)},
            value,
        )
    )


def _value(chance: Chance) -> Any:
    makers: tuple[Callable[[Chance], Any], ...] = (_text, _text, _many, _list, _nested, _similar)
    return chance.choice(makers)(chance)


def _text(chance: Chance) -> str:
    start, unit, end = (chance.choice(_UNITS) for _ in range(3))
    return start + unit * (chance.count(1000, 250_000) // len(unit.encode())) + end


def _many(chance: Chance) -> dict[str, Any]:
    """Many keys, similar to known ones or not."""
    stem = chance.choice(("component", "replica", "x", "", "reposito-" * 10, "_", "\u202e"))
    count = chance.count(150, 5000, 30_000)
    return {f"{stem}{n:x}": chance.choice((1, None, {}, "a")) for n in range(count)}


def _similar(chance: Chance) -> list[str]:
    """Names that are similar to those of the stored components."""
    tail = chance.choice(("a", "ab", "b")) * 62
    return [f"c{n:03}{tail}"[:62] for n in range(chance.count(200, 2000))]


def _list(chance: Chance) -> list[Any]:
    item = chance.choice((1, [], {}, "", "//a@b", _Raw(chance.choice(_NUMBERS)), [[1]], {"a": 1}))
    return [item] * chance.count(500, 15_000, 85_000)


def _nested(chance: Chance) -> Any:
    value: Any = _list(chance)[:5000]
    key = chance.choice(("a", "-" * 60, "k" * 3000))
    for _ in range(chance.count(10, 50, 5000)):
        value = [value] if chance.random() < 0.5 else {key: value}
        if chance.random() < 0.01:
            break
    return value


class _Raw(str):
    """Text that is written without quotes."""


def _written(value: Any) -> str:
    """Return a value as JSON, without recursion and with raw numbers; truncated if too large."""
    pieces: list[str] = []
    stack: list[Any] = [value]
    size = 0
    while stack and size < MAX_BYTES:
        each = stack.pop()
        if isinstance(each, dict):
            stack.append(_Raw("}"))
            for number, (key, item) in enumerate(reversed(each.items())):
                stack += [_Raw(","), item] if number else [item]
                stack.append(_Raw(f"{json.dumps(key, ensure_ascii=False)}:"))
            each = _Raw("{")
        elif isinstance(each, list):
            stack.append(_Raw("]"))
            for number, item in enumerate(reversed(each)):
                stack += [_Raw(","), item] if number else [item]
            each = _Raw("[")
        text = each if isinstance(each, _Raw) else json.dumps(each, ensure_ascii=False)
        pieces.append(text)
        size += len(text)
    return "".join(pieces)

"""Expensive requests: each of them was slow once, or could be."""

import json
from dataclasses import dataclass, field
from typing import Any

from components.configuration.json_values import MAX_BYTES
from tests.factories import component, configuration, reusing

TOOL = "mytool"
CONFIG = f"/api/v1/tool/{TOOL}/config"
DEPLOY = f"/api/v1/tool/{TOOL}/deploy"
THEIRS = f"/v1/tool/{TOOL}"

SUBJECT = "ssl-client-subject-dn"

JSON = {"Content-Type": "application/json"}
YAML = {"Content-Type": "application/yaml"}


@dataclass(frozen=True)
class Request:
    """A request, and the configuration to store before it, after `earlier` similar ones."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stored: Any = None
    earlier: int = 0


def config(value: Any) -> Request:
    """A configuration to be stored, as JSON; text as it is."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return Request("POST", CONFIG, text.encode()[:MAX_BYTES], JSON)


def yaml(text: str) -> Request:
    """A configuration to be stored, as YAML."""
    return Request("POST", CONFIG, text.encode()[:MAX_BYTES], YAML)


def deploy(value: Any, stored: Any = None) -> Request:
    """A dry run of a deployment."""
    body = {"dry-run": True, **value} if isinstance(value, dict) else value
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Request("POST", DEPLOY, text[:MAX_BYTES], JSON, stored)


def one(**run: Any) -> dict[str, Any]:
    """A configuration of one component with this in its `run`."""
    return configuration(web=component(**run))


def build(**source: Any) -> dict[str, Any]:
    """A configuration of one component with this as its `build`."""
    return {"components": {"web": {"build": source, "run": {"command": "x"}}}}


def many(fill: Any, count: int = 200) -> dict[str, Any]:
    """A configuration of many components."""
    return {"components": {f"c{n:03}" + "a" * 59: fill for n in range(count)}}


LARGE = 250_000
_SIMILAR = [f"c{n:03}" + "a" * 58 for n in range(400)]
_RUN = {
    "command": "x" * 300,
    **dict.fromkeys(("cpu", "memory"), "1Gi"),
    "mount": "none",
    "emails": "all",
    "filelog": True,
    "filelog_stdout": "out",
    "filelog_stderr": "err",
    "port": 8000,
    "port_protocol": "tcp",
    "publish": "/",
    "replicas": 2,
    "health_check_http": "/health",
}
_WRONG = dict.fromkeys(_RUN, 1.5) | {"port": "x", "command": None}
FULL = many({"build": component()["build"], "run": _RUN})
NUMBERS = configuration() | {"x": [[n * 1.37] for n in range(9900)]}

KNOWN = {
    "a command that ends in NUL": config(one(command="a" * LARGE + "\0")),
    "a command of spaces": config(one(command=" " * LARGE)),
    "a command of spaces and NUL": config(one(command=" " * LARGE + "\0")),
    "a health check that ends in NUL": config(one(health_check_script="a" * LARGE + "\0")),
    "a schedule of lists": config(one(schedule="1," * (LARGE // 2) + "1 * * * *")),
    "a schedule of ranges": config(one(schedule="0-59," * (LARGE // 5) + "1 * * * *")),
    "a schedule of letters": config(one(schedule="jan" * (LARGE // 3) + "\n")),
    "a schedule of spaces": config(one(schedule="*" + " " * LARGE + "x")),
    "a schedule of digits": config(one(schedule="1" * 5000 + " * * * *")),
    "a quantity of digits": config(one(cpu="1" * LARGE + "x")),
    "a quantity of exponents": config(one(cpu="1e" + "1" * LARGE + "x")),
    "a long ref": config(build(repository="https://x.org", ref="a" * LARGE + " ")),
    "a long host": config(build(repository="https://" + "a" * LARGE + " ")),
    "a long port": config(build(repository="https://x.org:" + "1" * LARGE)),
    "a long path": config(build(repository="https://x.org/" + "/" * LARGE + " ")),
    "a URL of slashes": config(build(ref="//" * (LARGE // 2))),
    "a URL of user information": config(build(ref="//a@" * (LARGE // 4))),
    "invalid collections and aliases to them": yaml(
        "a: &a !!set {b}\nc: &c [" + ",".join(["*a"] * 1200) + "]\nd: [" + ",".join(["*c"] * 1200)
    ),
    "invalid collections and aliases to them, closed": yaml(
        "a: &a !!set {b}\nc: &c ["
        + ",".join(["*a"] * 1200)
        + "]\nd: ["
        + ",".join(["*c"] * 1200)
        + "]"
    ),
    "aliases of aliases": yaml(
        "a0: &a0 !x {}\n"
        + "\n".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 900)}]" for n in range(1, 40))
    ),
    "merges of invalid mappings": yaml(
        "a: &a !x {b: c}\nd: &d {<<: [" + ",".join(["*a"] * 40_000) + "]}\ne: [*d,*d,*d,*d,*d]"
    ),
    "merges of merges": yaml(
        "a: &a {b: c}\n"
        + "\n".join(f"m{n}: {{<<: [{','.join(['*a'] * 500)}]}}" for n in range(150))
    ),
    "a sexagesimal number": yaml("a: 1" + ":59" * 84_000),
    "a sexagesimal fraction": yaml("a: 1" + ":59" * 84_000 + ".5"),
    "many sexagesimal numbers": yaml("[" + ",".join(["1" + ":59" * 1000] * 84) + "]"),
    "a number of digits in YAML": yaml("a: " + "1" * LARGE),
    "a hexadecimal number": yaml("a: 0x" + "f" * LARGE),
    "a binary number": yaml("a: 0b" + "1" * LARGE),
    "a number of underscores": yaml("a: 1" + "_" * LARGE),
    "a fraction in YAML": yaml("a: 1." + "1" * LARGE),
    "a fraction in JSON": config('{"a": 1.' + "1" * LARGE + "}"),
    "an exponent in JSON": config('{"a": 1e' + "1" * LARGE + "}"),
    "many numbers of 4300 digits": config("[" + ",".join(["9" * 4300] * 60) + "]"),
    "a number of digits in JSON": config("1" * LARGE),
    "many small values in YAML": yaml("[" + ",".join(["a"] * 130_000) + "]"),
    "many lists in YAML": yaml("[" + ",".join(["[]"] * 86_000) + "]"),
    "many keys in YAML": yaml("{" + ",".join(f"{n:x}a" for n in range(40_000)) + "}"),
    "many keys of one name in YAML": yaml("{" + "a," * 130_000 + "}"),
    "many numbers as keys in YAML": yaml("{" + "1," * 130_000 + "}"),
    "many tags in YAML": yaml("[" + "!a b," * 50_000 + "]"),
    "many dates in YAML": yaml("[" + "2024-01-01," * 23_000 + "]"),
    "many anchors": yaml("\n".join(f"- &a{n} x" for n in range(20_000))),
    "a long comment": yaml("a: b #" + "x" * LARGE),
    "a long key in YAML": yaml("a" * LARGE + ": b"),
    "nesting in YAML": yaml("[" * LARGE),
    "many documents": yaml("---\n" * 60_000),
    "escapes in YAML": yaml('a: "' + "\\ud800" * 40_000 + '"'),
    "many small values in JSON": config([1] * 130_000),
    "many lists in JSON": config([[]] * 86_000),
    "many mappings in JSON": config([{"": 0}] * 32_000),
    "one key many times in JSON": config("{" + ",".join(['"a":1'] * 43_000) + "}"),
    "many keys twice in JSON": config(
        "{" + ",".join(f'"{n % 14_000:x}":1' for n in range(28_000)) + "}"
    ),
    "many half surrogate pairs": config("[" + ",".join(['"\\ud800"'] * 29_000) + "]"),
    "many numbers that are not finite": config("[" + ",".join(["NaN"] * 65_000) + "]"),
    "nesting in JSON": config("[" * LARGE),
    "nesting and long keys": config(
        '{"' + "a" * 200_000 + '":[' + ",".join(["NaN"] * 10_000) + "]}"
    ),
    "many unknown fields": config({**configuration(), **{f"{n:x}": 1 for n in range(24_000)}}),
    "many unknown fields with similar names": config(
        {**configuration(), **{f"component{n:04x}": 1 for n in range(13_000)}}
    ),
    "many unknown fields of a component": config(one(**{f"replica{n:x}": 1 for n in range(9_000)})),
    "an unknown field of a long name": config({**configuration(), "components" * 25_000: 1}),
    "many invalid components": config(many(1, 3600)),
    "very many invalid components": config({"components": {f"{n:x}": 1 for n in range(9_900)}}),
    "many components of bad names": config({"components": {f"_{n:x}": {} for n in range(9_900)}}),
    "components that are all wrong": config(many({"build": {"ref": "-"}, "run": _WRONG})),
    "components that all have unknown fields": config(
        many({**component(), **{f"xbuil{n}": 1 for n in range(60)}})
    ),
    "components that reuse unknown components": config(many(reusing("b" * 63))),
    "a configuration of the maximum size": config(FULL),
    "a configuration of the maximum size in YAML": yaml(json.dumps(FULL)),
    "a configuration that replaces another": Request(
        "POST", CONFIG, json.dumps(FULL).encode(), JSON, configuration()
    ),
    "many unknown names": deploy({"components": ["x"] * 30_000}, FULL),
    "long unknown names": deploy({"components": ["b" * 1200] * 200}, FULL),
    "similar names": deploy({"components": _SIMILAR[200:]}, FULL),
    "many similar names": deploy({"components": _SIMILAR}, FULL),
    "similar names of one letter": deploy({"components": ["a" * 62] * 200}, many(component())),
    "names that are no strings": deploy({"components": [1] * 100_000}, FULL),
    "names that are lists": deploy({"components": [[]] * 80_000}, FULL),
    "a name of the maximum size": deploy({"components": ["c" * LARGE]}, FULL),
    "all components": deploy({"components": list(FULL["components"])}, FULL),
    "many unknown options": deploy({f"component{n:x}": 1 for n in range(13_000)}),
    "an option of a long name": deploy({"components" * 25_000: 1}),
    "a description of many lines": deploy({"description": "x\n" * (LARGE // 4)}, FULL),
    "a description of control characters": deploy({"description": "\x85" * (LARGE // 8)}, FULL),
    "a description of spaces": deploy({"description": " " * LARGE}, FULL),
    "a body of many lists": deploy([[]] * 80_000),
    "when-busy of the maximum size": deploy({"when-busy": "x" * LARGE}),
    "a configuration of the maximum size on the second face": Request(
        "GET", f"{THEIRS}/config", stored=FULL
    ),
    "many unknown fields of a body on the second face": Request(
        "POST",
        f"{THEIRS}/deployment",
        json.dumps({f"component{n:x}": 1 for n in range(9_900)}).encode(),
        JSON,
    ),
    "components that are all wrong on the second face": Request(
        "POST",
        f"{THEIRS}/config",
        json.dumps(many({"build": {"ref": "-"}, "run": _WRONG})).encode()[:MAX_BYTES],
        JSON,
    ),
    "a long query": Request("GET", f"{DEPLOY}/latest?" + "wait=1&" * 1100),
    "a query of long names": Request("GET", f"{DEPLOY}/latest?{'w' * 7000}=1"),
    "a query of a long value": Request("GET", f"{DEPLOY}/latest?wait={'1' * 7000}"),
    "a query of many names": Request(
        "GET", f"{DEPLOY}/latest?" + "".join(f"{n:x}&" for n in range(2000))
    ),
    "directives, each with another handle": yaml(
        "".join(f"%TAG !{n:x}! a\n" for n in range(16_000)) + "---\na"
    ),
    "the history of expensive configurations": Request(
        "GET", f"{CONFIG}/history", stored=NUMBERS, earlier=10
    ),
    "a new configuration after expensive ones": Request(
        "POST", CONFIG, config(NUMBERS | {"y": 1}).body, JSON, stored=NUMBERS, earlier=10
    ),
    "a long id": Request("GET", f"{DEPLOY}/{'x' * 7000}"),
    "a long name of a component": Request("GET", f"{DEPLOY}/latest/builds/{'x' * 7000}/log"),
    "a long idempotency key": Request(
        "POST", DEPLOY, b"{}", {**JSON, "Idempotency-Key": "x" * 7000}
    ),
    "a content type of many parameters": Request(
        "POST", CONFIG, b"{}", {"Content-Type": "application/json" + ";a=b" * 1900}
    ),
    "a content type of quotes": Request(
        "POST", DEPLOY, b"{}", {"Content-Type": 'application/json;a="' + '";' * 3500}
    ),
    "a content type of parts": Request(
        "POST",
        f"{DEPLOY}/latest/retry",
        b"{}",
        {"Content-Type": "application/json" + "".join(f";a*{n}*=b" for n in range(900))},
    ),
    "a path of many parts": Request("GET", DEPLOY + "/a" * 4000),
    "a path of escapes": Request("GET", f"{DEPLOY}/{'%41' * 2600}"),
    "a subject of many names": Request("GET", DEPLOY, headers={SUBJECT: "CN=a," * 1600 + "O=b"}),
    "a subject of one name in many parts": Request(
        "GET", DEPLOY, headers={SUBJECT: "CN=a+" * 1600 + "O=b"}
    ),
    "many etags in If-None-Match": Request(
        "GET", CONFIG, headers={"If-None-Match": '"a",' * 1900 + '"b"'}, stored=FULL
    ),
    "many etags in If-Match": Request(
        "POST", CONFIG, b"{}", {**JSON, "If-Match": '"a",' * 1900 + '"b"'}
    ),
}

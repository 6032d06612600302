"""Lints and renders the chart with Helm's own library, and writes its README from its values.

`make chart` runs it; no helm program is needed. Every rendered object is validated against the
schemas of the oldest supported Kubernetes and of the newest that kubernetes-validate knows; custom
resources against a schema in `helm/schemas`.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from helm_python.chart import Chart, lint
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parent
CHART = ROOT / "components-api"
VALUES = [None, *sorted((CHART / "ci").glob("*.yaml"))]
OLDEST = "1.30"
NEWEST = kubernetes_validate.latest_version()
NAMESPACE = "components"
INFO = 1
"""The severity of Helm's recommendations, such as an icon."""

_OUR_SCHEMAS = {"cert-manager.io/v1/Certificate": ROOT / "schemas/certificate.json"}


def problems() -> list[str]:
    """Return the problems of the chart, for the default values and for each file in `ci`."""
    found = []
    for path in VALUES:
        where = path.name if path else "default values"
        values = yaml.safe_load(path.read_text()) if path else {}
        report = lint(CHART, values, strict=True, namespace=NAMESPACE, kube_version=f"v{OLDEST}.0")
        found += [
            f"{where}: {each['path']}: {each['error']}"
            for each in report["messages"]
            if each["severity"] > INFO
        ]
        found += [f"{where}: {error}" for error in report["errors"]]
        for each in rendered(values):
            found += [f"{where}: {each['kind']}: {error}" for error in object_problems(each)]
    if readme() != (CHART / "README.md").read_text():
        found.append("README.md does not match the comments of values.yaml: run `make chart`")
    return found


def rendered(values: dict[str, Any], kind: str | None = None) -> list[dict[str, Any]]:
    """Return the objects that the chart renders for some values: all, or those of one kind.

    Raises `helm_python.errors.HelmValuesError` if the values' schema rejects them.
    """
    with Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="components-api", namespace=NAMESPACE)
    return [
        each
        for name, text in sorted(files.items())
        if name.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if each and kind in (None, each["kind"])
    ]


def object_problems(rendered_object: dict[str, Any]) -> list[str]:
    """Return the violations of one object against the schemas of all supported versions."""
    kind = f"{rendered_object['apiVersion']}/{rendered_object['kind']}"
    if kind in _OUR_SCHEMAS:
        schema = json.loads(_OUR_SCHEMAS[kind].read_text())
        errors = Draft202012Validator(schema).iter_errors(rendered_object)
        return [f"{error.json_path}: {error.message}" for error in errors]
    found = []
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(rendered_object, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"Kubernetes {version}: {error.message} at {list(error.path)}")
    return found


def readme() -> str:
    """Return the chart's README, generated from the comments of `values.yaml`."""
    rows = "\n".join(
        f"| `{key}` | `{default}` | {text} |" for key, default, text in documented_values()
    )
    return f"""# components-api

{Chart.load(CHART).metadata["description"]}

[docs/kubernetes.md](../../docs/kubernetes.md) says how to install it. It needs Kubernetes {OLDEST}
or newer. `make chart` makes this file from the comments in `values.yaml`.

| value | default | description |
| --- | --- | --- |
{rows}
"""


def documented_values() -> list[tuple[str, str, str]]:
    """Return path, default and comment of every value that is not a mapping."""
    found = []
    path: list[tuple[int, str]] = []
    comment: list[str] = []
    lines = (CHART / "values.yaml").read_text().splitlines()
    for number, line in enumerate(lines):
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
            continue
        matched = re.match(r"^( *)([A-Za-z]+):(.*)$", line)
        if matched:
            depth, key, value = len(matched[1]), matched[2], matched[3].strip()
            path = [*((d, k) for d, k in path if d < depth), (depth, key)]
            dotted = ".".join(k for _, k in path)
            if comment:
                default = value or json.dumps(_default(dotted))
                found.append((dotted, default, " ".join(comment)))
        comment = [] if number else comment
    names = [dotted for dotted, _, _ in found]
    return [each for each in found if not any(name.startswith(f"{each[0]}.") for name in names)]


def _default(dotted: str) -> Any:
    value = yaml.safe_load((CHART / "values.yaml").read_text())
    for key in dotted.split("."):
        value = value[key]
    return value


def main() -> int:
    """Write the README, check everything, and print the problems; return the exit code."""
    (CHART / "README.md").write_text(readme())
    found = problems()
    for each in found:
        print(each, file=sys.stderr)  # noqa: T201
    if not found:
        count = sum(len(rendered(yaml.safe_load(p.read_text()) if p else {})) for p in VALUES)
        print(f"{count} objects are valid for Kubernetes {OLDEST} and {NEWEST}")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

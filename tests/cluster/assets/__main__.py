"""Builds etcd and Kubernetes' control plane, once for each version, and prints where they are.

`make cluster-assets` runs it. The last line on stdout is the directory, which `KUBEBUILDER_ASSETS`
takes; all else goes to stderr. What has been built is kept in the user's cache.
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
    "CGO_ENABLED": "0",  # neither a C compiler nor any library is needed
    "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
}


def cache() -> Path:
    """Return the directory in which all that is built is kept."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "components-api" / "cluster-assets"


def key() -> str:
    """Return what changes whenever anything does that the programs are built from."""
    found = hashlib.sha256()
    for each in sorted(path for pattern in INPUTS for path in HERE.glob(pattern)):
        content = each.read_bytes()
        found.update(f"{each.relative_to(HERE)} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def version(module: str) -> str:
    """Return the version of a module that `go.mod` names."""
    pattern = rf"^\s*{re.escape(module)} (v\S+)"
    found = re.search(pattern, (HERE / "go.mod").read_text(), re.MULTILINE)
    assert found, f"go.mod does not name {module}"
    return found[1]


def go_program() -> str:
    """Return a `go` that is new enough: the machine's, or the pinned one from PyPI."""
    needed = re.search(r"^go (\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    found = shutil.which("go")
    if found and needed:
        said = _output(found, "env", "GOVERSION").removeprefix("go")
        if _numbers(said) >= _numbers(needed[1]):
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
    told = {"gitVersion": kubernetes, "gitMajor": major, "gitMinor": minor}
    stamps = " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in told.items())
    command = [go_program(), "build", "-ldflags", f"-s -w {stamps}", "-o", f"{directory}/"]
    packages = [f"./{each}" for each in PROGRAMS]
    subprocess.run(
        [*command, *packages], check=True, cwd=HERE, env=os.environ | BUILD, stdout=sys.stderr
    )


def main() -> int:
    """Build what is not there, and print the directory; return the exit code."""
    directory = cache() / key()
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second one waits, and finds what the first has built
        if not directory.exists():
            began = time.monotonic()
            print("building the control plane for the tests: minutes, once", file=sys.stderr)
            try:
                with _whole(directory) as unfinished:
                    build(unfinished)
            except subprocess.CalledProcessError as error:
                print(f"this failed: {error}", file=sys.stderr)
                return 1
            print(f"built in {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(directory)
    return 0


@contextmanager
def _whole(directory: Path) -> Iterator[Path]:
    """Give a directory to be filled, which is there under its name only once it is whole."""
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
    """Return the numbers of a version, for comparing: 1.26 is less than 1.26.1."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(each) for each in found[0].split(".")) if found else ()


if __name__ == "__main__":
    sys.exit(main())

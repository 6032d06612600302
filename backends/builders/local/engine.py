"""The programs that build images: buildah, podman or docker, and pack without a Dockerfile."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backends.builders.local.log import BuildLog
from backends.builders.local.process import environment, output_of, run


class EngineName(StrEnum):
    """The engines, in the order in which they are tried."""

    BUILDAH = "buildah"
    PODMAN = "podman"
    DOCKER = "docker"


_DIGEST = {
    EngineName.BUILDAH: ("inspect", "--type", "image", "--format", "{{.FromImageDigest}}"),
    EngineName.PODMAN: ("image", "inspect", "--format", "{{.Digest}}"),
    # docker has a digest only after a push; before that, the id is the digest of the config.
    EngineName.DOCKER: ("image", "inspect", "--format", "{{.Id}}"),
}
DOCKERFILES = ("Containerfile", "Dockerfile")
_IGNORED = (".containerignore", ".dockerignore")


class BuildFailed(Exception):
    """The image could not be built; the message says why, or the log does if it is empty."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An available engine, and the builder image for pack.

    `namespace` is the command that runs a build in a PID namespace; empty for none.
    """

    name: EngineName
    pack_builder: str
    namespace: tuple[str, ...] = ()

    async def build(self, source: Path, tag: str, log: BuildLog) -> str:
        """Build and tag an image from `source`; return its digest.

        Raises `BuildFailed`.
        """
        dockerfile = dockerfile_in(source)
        if dockerfile:
            arguments: Sequence[str | Path] = (
                *self.namespace, self.name, "build", "--tag", tag, "--file", dockerfile, source,
            )  # fmt: skip
            inspecting = self.name
        elif shutil.which("pack"):
            arguments = (
                "pack", "build", tag, "--path", source, "--builder", self.pack_builder,
            )  # fmt: skip
            inspecting = EngineName.DOCKER  # where pack stores its images
        else:
            raise BuildFailed(
                "the repository has neither a Containerfile nor a Dockerfile, and the pack "
                "program, which builds without one, is not installed"
            )
        if await run(arguments, output=log.write, env=environment()):
            raise BuildFailed
        code, digest = await output_of((inspecting, *_DIGEST[inspecting], tag), environment())
        if code or not digest:
            raise BuildFailed("the image was built, but the engine cannot find it")
        return digest

    async def has(self, tag: str) -> bool:
        """Whether an image with this tag exists, including images of pack in docker."""
        for name in {self.name, *([EngineName.DOCKER] if shutil.which("pack") else [])}:
            code, digest = await output_of((name, *_DIGEST[name], tag), environment())
            if not code and digest:
                return True
        return False

    async def ping(self) -> bool:
        """Whether the engine responds."""
        return await is_available(self.name)


def dockerfile_in(source: Path) -> Path | None:
    """Return the Dockerfile of a repository; None if there is none.

    Raises `BuildFailed` if it, or an ignore file beside it, is not a regular file: a symbolic link
    would be read on the host, outside of the build.
    """
    for name in (*DOCKERFILES, *_IGNORED):
        path = source / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise BuildFailed(f"{name} is not a regular file, so it is not read")
    return next((source / name for name in DOCKERFILES if (source / name).is_file()), None)


async def is_available(name: EngineName) -> bool:
    """Whether an engine is installed and works."""
    if shutil.which(name) is None:
        return False
    code, _ = await output_of((name, "info"), environment())
    return code == 0

"""The programs that make images: buildah, podman or docker, and pack where there is no recipe."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backends.builders.local.log import BuildLog
from backends.builders.local.process import environment, output_of, run


class EngineName(StrEnum):
    """The engines there are, in the order in which they are tried."""

    BUILDAH = "buildah"
    PODMAN = "podman"
    DOCKER = "docker"


_DIGEST = {
    EngineName.BUILDAH: ("inspect", "--type", "image", "--format", "{{.FromImageDigest}}"),
    EngineName.PODMAN: ("image", "inspect", "--format", "{{.Digest}}"),
    # docker knows a digest only after a push; before, the id is the digest of the image's own.
    EngineName.DOCKER: ("image", "inspect", "--format", "{{.Id}}"),
}
RECIPES = ("Containerfile", "Dockerfile")
_IGNORED = (".containerignore", ".dockerignore")


class BuildFailed(Exception):
    """The image could not be made; the message says why, or is empty where the log does."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers, and the builder image for pack.

    `namespace` is the program, with its arguments, that runs a build in a PID namespace; empty
    where that is not wanted.
    """

    name: EngineName
    pack_builder: str
    namespace: tuple[str, ...] = ()

    async def build(self, source: Path, tag: str, log: BuildLog) -> str:
        """Make an image of what is in `source` and tag it; return its digest.

        Raises `BuildFailed`.
        """
        recipe = recipe_in(source)
        if recipe:
            arguments: Sequence[str | Path] = (
                *self.namespace, self.name, "build", "--tag", tag, "--file", recipe, source,
            )  # fmt: skip
            inspecting = self.name
        elif shutil.which("pack"):
            arguments = (
                "pack", "build", tag, "--path", source, "--builder", self.pack_builder,
            )  # fmt: skip
            inspecting = EngineName.DOCKER  # where pack leaves what it makes
        else:
            raise BuildFailed(
                "the repository has neither a Containerfile nor a Dockerfile, and the pack "
                "program, which builds without one, is not installed"
            )
        if await run(arguments, output=log.write, env=environment()):
            raise BuildFailed
        code, digest = await output_of((inspecting, *_DIGEST[inspecting], tag), environment())
        if code or not digest:
            raise BuildFailed("the image was made and cannot be found again")
        return digest

    async def has(self, tag: str) -> bool:
        """Whether an image of this tag is there; also one that pack has left with docker."""
        for name in {self.name, *([EngineName.DOCKER] if shutil.which("pack") else [])}:
            code, digest = await output_of((name, *_DIGEST[name], tag), environment())
            if not code and digest:
                return True
        return False

    async def ping(self) -> bool:
        """Whether the engine answers."""
        return await answers(self.name)


def recipe_in(source: Path) -> Path | None:
    """Return the recipe of an image in a repository; None where there is none.

    Raises `BuildFailed` where it, or what the engine reads beside it, is no regular file: a link
    would be read on the host, outside of any build.
    """
    for name in (*RECIPES, *_IGNORED):
        path = source / name
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise BuildFailed(f"{name} is not a regular file, and what it leads to is not read")
    return next((source / name for name in RECIPES if (source / name).is_file()), None)


async def answers(name: EngineName) -> bool:
    """Whether an engine is installed and does what it is asked."""
    if shutil.which(name) is None:
        return False
    code, _ = await output_of((name, "info"), environment())
    return code == 0

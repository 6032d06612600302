"""Rejects sources that could inject something into a PipelineRun.

A source becomes part of strings in a PipelineRun. Tekton substitutes `$(...)` there, and a Task may
insert a parameter into a script, where a shell interprets it.
"""

from backends.builders.base import BuildRejected, Source

_SHELL_CHARACTERS = frozenset("$`'\"\\;&|<>(){}*!^")
"""Variables, commands, quotes, command separators, pipes, redirections, groups and patterns."""


def check_source(source: Source) -> None:
    """Raise `BuildRejected`, with the path, if the repository or the ref is not a plain word."""
    _check("repository", source.repository)
    if source.ref is not None:
        _check("ref", source.ref)


def _check(path: str, value: str) -> None:
    bad = next((each for each in value if each in _SHELL_CHARACTERS or not _is_visible(each)), None)
    if bad is not None:
        raise BuildRejected(
            f"{path}: it must not contain {bad!r}, which Tekton or the script of a Task may "
            "interpret"
        )
    if value.startswith("-"):
        raise BuildRejected(f"{path}: it must not begin with '-', like an option")


def _is_visible(character: str) -> bool:
    return character.isprintable() and not character.isspace()

"""What is refused in a source, since more than its own words would come of it in the cluster.

What a configuration says becomes a part of a PipelineRun's strings. Tekton replaces `$(...)` there,
and a Task may put a parameter into the text of a script, where a shell reads it.
"""

from backends.builders.base import BuildRejected, Source

_TO_A_SHELL = frozenset("$`'\"\\;&|<>(){}*!^")
"""Variables, commands, quotes, ends of commands, pipes, redirections, groups and patterns."""


def check_source(source: Source) -> None:
    """Raise `BuildRejected`, by path, where the repository or the ref is more than a plain word."""
    _check("repository", source.repository)
    if source.ref is not None:
        _check("ref", source.ref)


def _check(path: str, value: str) -> None:
    bad = next((each for each in value if each in _TO_A_SHELL or not _is_visible(each)), None)
    if bad is not None:
        raise BuildRejected(
            f"{path}: it must not contain {bad!r}, which Tekton or a script of a Task may take "
            "for more than text"
        )
    if value.startswith("-"):
        raise BuildRejected(f"{path}: it must not begin with '-', as an option does")


def _is_visible(character: str) -> bool:
    return character.isprintable() and not character.isspace()

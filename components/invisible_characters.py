"""Invisible characters, such as control and bidirectional formatting characters: escaping them."""

from collections.abc import Callable


def escape(character: str) -> str:
    """Return the escape for a character, valid in both YAML and Python, such as `\\u202e`."""
    return character.encode("unicode_escape").decode()


def replace_invisible(text: str, replacement: Callable[[str], str] = escape) -> str:
    """Return a text with each invisible character replaced by what `replacement` returns for it."""
    if text.isprintable():
        return text  # the common case
    return "".join(each if each.isprintable() else replacement(each) for each in text)

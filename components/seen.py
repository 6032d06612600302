"""Characters that are not seen, such as controls and marks of direction, and escapes for them."""

from collections.abc import Callable


def escape(character: str) -> str:
    """Return a character as both YAML and Python escape it, such as `\\u202e`."""
    return character.encode("unicode_escape").decode()


def seen(text: str, replaced: Callable[[str], str] = escape) -> str:
    """Return a text with something else in the place of each character that is not seen."""
    if text.isprintable():
        return text  # as most are
    return "".join(each if each.isprintable() else replaced(each) for each in text)

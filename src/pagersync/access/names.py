"""The check of names that people give: to API keys, to integrations. Pure."""

from typing import Final

NAME_CHARACTERS_MAX: Final = 100


def checked_name(name: str) -> str:
    """Return the name without surrounding space.

    Raises:
        ValueError: it is empty, too long, or holds control characters.
    """
    name = name.strip()
    if not 0 < len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise ValueError(f"must be 1 to {NAME_CHARACTERS_MAX} printable characters")
    return name

"""Names that people give, to API keys and integrations: checked, and as slugs. Pure."""

import re
import unicodedata
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


def slug_of(name: str) -> str:
    """Return a name in lower case, its words joined by dashes; empty if no word is in Latin."""
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", ascii_only.lower()))

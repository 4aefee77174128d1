"""What commands say at a terminal: texts of others move no cursor there and hide nothing."""

import re
import sys
from typing import Final

UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Control characters but for line feeds and tabs, and what turns the direction of a text around."""


def printable(text: str) -> str:
    r"""Return a text with escapes for characters that a terminal would obey: `\u001b`. Pure.

    JSON and YAML mean the same with them.
    """
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Write a text to standard output, or to standard error."""
    stream = sys.stderr if err else sys.stdout
    stream.write(printable(str(text)) + ("\n" if nl else ""))
    stream.flush()

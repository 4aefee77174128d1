"""Regular expressions of conditions: RE2, which never backtracks. Pure."""

from collections.abc import Callable
from typing import Final

import re2

PATTERN_CHARACTERS_MAX: Final = 500
PROGRAM_SIZE_MAX: Final = 3_000
"""Instructions of a compiled pattern: `(a{100}){20}` is short, and large."""

TEXT_CHARACTERS_MAX: Final = 10_000
"""What stands further behind in a text is not looked at."""

MEMORY_BYTES_MAX: Final = 1 << 20


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that tells whether a pattern matches anywhere in a text.

    It takes time linear in the text, whatever the pattern.

    Raises:
        ValueError: RE2 does not know it (it has neither backreferences nor look-around), or it is
            too long or too large.
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise ValueError(f"has {len(pattern)} characters: at most {PATTERN_CHARACTERS_MAX}")
    try:
        compiled = re2.compile(pattern.encode(), _options())
    except UnicodeEncodeError:
        raise ValueError("holds half a surrogate pair") from None
    except re2.error as error:
        raise ValueError(f"is no regular expression of RE2: {_reason(error)}") from None
    if compiled.programsize > PROGRAM_SIZE_MAX:
        raise ValueError("is too large a regular expression: repeat less")
    search = compiled.search

    def matches(text: str) -> bool:
        return search(text[:TEXT_CHARACTERS_MAX].encode(errors="replace")) is not None

    return matches


def _options() -> re2.Options:
    options = re2.Options()
    options.max_mem = MEMORY_BYTES_MAX
    options.log_errors = False
    options.never_capture = True
    return options


def _reason(error: re2.error) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)

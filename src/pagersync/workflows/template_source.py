"""What is looked at before a template is parsed. Pure.

The parser's regular expressions take time that grows with the square of what they look at, and
most of all for a tag that is never closed. So tags are found here first, in one pass.
"""

import re
from typing import Final

SOURCE_CHARACTERS_MAX: Final = 8_000
TAG_CHARACTERS_MAX: Final = 1_000

_OPENING: Final = re.compile(r"\{\{|\{%")
_VERBATIM: Final = re.compile(r"\{%-?\s{0,9}(raw|doc)\s{0,9}-?%\}")


def check_source(source: str) -> str | None:
    """Return what is wrong with the length of a template or of its tags, with line and column."""
    if len(source) > SOURCE_CHARACTERS_MAX:
        return f"longer than {SOURCE_CHARACTERS_MAX} characters"
    index = 0
    while opening := _OPENING.search(source, index):
        start = opening.start()
        closing = "}}" if opening.group() == "{{" else "%}"
        end = source.find(closing, start + 2)
        if end < 0:
            return f"{place(source, start)}: `{opening.group()}` is not closed by `{closing}`"
        if end - start > TAG_CHARACTERS_MAX:
            return f"{place(source, start)}: a tag longer than {TAG_CHARACTERS_MAX} characters"
        index = _after_verbatim(source, start) or end + 2
    return None


def place(source: str, index: int) -> str:
    """Return `line 1, column 1` for the first character of a text."""
    line_start = source.rfind("\n", 0, index) + 1
    return f"line {source.count(chr(10), 0, index) + 1}, column {index - line_start + 1}"


def _after_verbatim(source: str, start: int) -> int | None:
    """Return where a part that is no template ends, if one begins here."""
    begins = _VERBATIM.match(source, start)
    if begins is None:
        return None
    ends = re.compile(rf"\{{%-?\s{{0,9}}end{begins.group(1)}\s{{0,9}}-?%\}}").search(
        source, begins.end()
    )
    return ends.end() if ends else None

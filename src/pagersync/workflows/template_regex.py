"""Filters of templates with regular expressions, by Rootly's names. Pure.

They are RE2's, which take time in proportion to the text. As in Ruby, `^` and `$` stand at lines,
and the flag `m` lets the dot match their ends.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import re2
from liquid.exceptions import FilterArgumentError, ResourceLimitError
from liquid.filter import string_filter

PATTERN_CHARACTERS_MAX: Final = 500
TEXT_CHARACTERS_MAX: Final = 20_000
RESULT_CHARACTERS_MAX: Final = 100_000
MATCHES_MAX: Final = 10_000
PATTERN_BYTES_MAX: Final = 1024 * 1024
_FLAGS: Final = MappingProxyType({"i": "i", "m": "s"})
_REFERENCE: Final = re.compile(r"\\(\d)")


def compile_pattern(pattern: str, flags: str = "") -> Any:
    """Return a compiled regular expression; `flags` are RE2's letters.

    Raises:
        ValueError: it is too long, or RE2 does not take it.
    """
    if len(pattern) > PATTERN_CHARACTERS_MAX:
        raise ValueError(f"a regular expression longer than {PATTERN_CHARACTERS_MAX} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES_MAX
    try:
        return re2.compile(f"(?{flags}){pattern}" if flags else pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        words = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"not a regular expression: {words}") from None


def _matches(text: str, pattern: object, flags: object = "") -> list[Any]:
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ResourceLimitError(
            f"more than {TEXT_CHARACTERS_MAX} characters for a regular expression", token=None
        )
    if unknown := set(str(flags)) - _FLAGS.keys():
        raise FilterArgumentError(f"unknown flag {min(unknown)!r}: i and m are known", token=None)
    letters = "".join(_FLAGS[flag] for flag in str(flags))
    found = []
    for match in compile_pattern(str(pattern), f"m{letters}").finditer(text):
        found.append(match)
        if len(found) > MATCHES_MAX:
            raise ResourceLimitError(f"more than {MATCHES_MAX} matches", token=None)
    return found


def _replaced(text: str, matches: list[Any], new: str) -> str:
    if len(new) > PATTERN_CHARACTERS_MAX:
        raise FilterArgumentError(
            f"a replacement longer than {PATTERN_CHARACTERS_MAX} characters", token=None
        )
    parts, index, size = [], 0, 0
    for match in matches:
        parts += [text[index : match.start()], _expanded(match, new)]
        size += len(parts[-1])
        index = match.end()
        if size > RESULT_CHARACTERS_MAX:
            raise ResourceLimitError(f"more than {RESULT_CHARACTERS_MAX} characters", token=None)
    return "".join([*parts, text[index:]])


def _expanded(match: Any, new: str) -> str:
    r"""Fill in `\0` to `\9`; what did not take part is empty."""
    groups = [match.group(0), *match.groups()]

    def group(reference: re.Match[str]) -> str:
        number = int(reference.group(1))
        return (groups[number] or "") if number < len(groups) else ""

    return _REFERENCE.sub(group, new)


@string_filter
def _regex_replace(text: str, pattern: str, new: object = "") -> str:
    return _replaced(text, _matches(text, pattern), str(new))


@string_filter
def _regex_replace_first(text: str, pattern: str, new: object = "") -> str:
    return _replaced(text, _matches(text, pattern)[:1], str(new))


@string_filter
def _regex_remove(text: str, pattern: str) -> str:
    return _replaced(text, _matches(text, pattern), "")


@string_filter
def _regex_remove_first(text: str, pattern: str) -> str:
    return _replaced(text, _matches(text, pattern)[:1], "")


@string_filter
def _regex_match(text: str, pattern: str, flags: str = "") -> list[str | None]:
    """Return the first match and its groups; nothing where there is none."""
    return next(([m.group(0), *m.groups()] for m in _matches(text, pattern, flags)), [])


@string_filter
def _regex_match_all(text: str, pattern: str, flags: str = "") -> list[Any]:
    """Return each match: its only group, a list of its groups, or all of it if it has none."""
    found = []
    for match in _matches(text, pattern, flags):
        groups = match.groups()
        found.append(match.group(0) if not groups else list(groups) if groups[1:] else groups[0])
    return found


REGEX_FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "regex_replace": _regex_replace,
        "regex_replace_first": _regex_replace_first,
        "regex_remove": _regex_remove,
        "regex_remove_first": _regex_remove_first,
        "regex_match": _regex_match,
        "regex_match_all": _regex_match_all,
    }
)

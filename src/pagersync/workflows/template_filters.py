"""Filters of templates beside Liquid's own, by Rootly's names, and how large a value may be. Pure.

Facts about Rootly's filters: its public page "Available Liquid Filters". Left out are `smart_date`,
`to_table`, `html_to_markdown`, `shortener`, `shuffle`, `singularize` and `pluralize`.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from liquid.builtin.filters.string import slice_
from liquid.exceptions import ResourceLimitError
from liquid.filter import flatten, sequence_filter, string_filter
from liquid.undefined import Undefined

from pagersync.workflows.template_output import to_json, to_text
from pagersync.workflows.template_regex import REGEX_FILTERS
from pagersync.workflows.template_times import TIME_FILTERS

TEXT_CHARACTERS_MAX: Final = 100_000
VALUE_SIZE_MAX: Final = 1_000_000
VALUE_ITEMS_MAX: Final = 10_000
NUMBER_BITS_MAX: Final = 1_024


def size_of(value: object) -> int:
    """Return how many characters and items a value has, down to its last text.

    Raises:
        ResourceLimitError: more than may be worked on.
    """
    characters = items = 0
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if issubclass(type(item), Undefined):  # to ask for more would be an error
            continue
        if isinstance(item, str):
            _check(len(item), TEXT_CHARACTERS_MAX, "characters in a text")
            characters += len(item)
        elif isinstance(item, int):
            _check(item.bit_length(), NUMBER_BITS_MAX, "bits in a number")
        elif isinstance(item, range):
            items += max(item.stop - item.start, 0)
        elif isinstance(item, dict | list | tuple):
            items += len(item)
            _check(items, VALUE_ITEMS_MAX, "items in a value")
            waiting.extend([*item, *item.values()] if isinstance(item, dict) else item)
    _check(items, VALUE_ITEMS_MAX, "items in a value")
    _check(characters, VALUE_SIZE_MAX, "characters in a value")
    return characters + items


def _check(count: int, most: int, what: str) -> None:
    if count > most:
        raise ResourceLimitError(f"more than {most} {what}", token=None)


@string_filter
def _replace(value: str, old: object, new: object = "") -> str:
    """Replace every occurrence; its size is known before it is made."""
    old, new = str(old), str(new)
    _check(value.count(old) * len(new), TEXT_CHARACTERS_MAX, "characters in a text")
    return value.replace(old, new)


@sequence_filter
def _join(items: list[Any], separator: object = " ") -> str:
    separator = str(separator)
    _check(len(items) * len(separator), TEXT_CHARACTERS_MAX, "characters in a text")
    return separator.join(to_text(item) for item in items)


@sequence_filter
def _uniq(items: list[Any], key: str | None = None) -> list[Any]:
    found: dict[str, Any] = {}
    for item in items:
        found.setdefault(to_json(item if key is None else _get(item, key)), item)
    return list(found.values())


_TAG: Final = re.compile(r"<[^<>]*>")
_HIDDEN: Final = re.compile(r"<(script|style)\b|</(script|style)\s*>|<!--|-->", re.IGNORECASE)


@string_filter
def _strip_html(value: str) -> str:
    """Remove tags, comments, scripts and styles, in one pass over each."""
    kept, index, hidden_since = [], 0, ""
    for mark in _HIDDEN.finditer(value):
        name = (mark.group(1) or mark.group(2) or "--").lower()
        opens = not mark.group().startswith(("</", "-->"))
        if not hidden_since and opens:
            kept.append(value[index : mark.start()])
            hidden_since = name
        elif hidden_since == name and not opens:
            hidden_since, index = "", mark.end()
    if not hidden_since:
        kept.append(value[index:])
    return _TAG.sub("", "".join(kept))


def _get(value: object, path: str) -> Any:
    """Return what stands at `incident.title` or `items.0` below a value; nothing where it ends."""
    for name in str(path).split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list | tuple) and name.lstrip("-").isdecimal():
            value = value[int(name)] if -len(value) <= int(name) < len(value) else None
        else:
            return None
    return value


def _fits(item: object, path: str, wanted: object) -> bool:
    found = _get(item, path)
    if wanted is None:
        return found not in (None, False)
    return found == wanted or (found is not None and to_text(found) == to_text(wanted))


@sequence_filter
def _where(items: list[Any], path: str, wanted: object = None) -> list[Any]:
    return [item for item in items if _fits(item, path, wanted)]


@sequence_filter
def _find(items: list[Any], path: str, wanted: object = None) -> Any:
    return next((item for item in items if _fits(item, path, wanted)), None)


def _slice(value: object, *arguments: Any) -> Any:
    """Return some of an object's keys, or a part of a text or a list."""
    if isinstance(value, Mapping):
        return {key: value[key] for key in arguments if key in value}
    return slice_(value, *arguments)


@sequence_filter
def _to_values(items: list[Any], key: str = "value") -> list[dict[str, Any]]:
    return [{"value": _get(item, key)} for item in items]


@string_filter
def _dasherize(value: str) -> str:
    return value.replace("_", "-")


@string_filter
def _parameterize(value: str, separator: str = "-") -> str:
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode().lower()
    joined: str = _join(re.findall(r"[a-z0-9_-]+", plain), separator)
    return joined


@string_filter
def _camelize(value: str) -> str:
    first, *others = value.split("_")
    return first[:1].upper() + first[1:] + "".join(word[:1].upper() + word[1:] for word in others)


@string_filter
def _titleize(value: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in re.split(r"[\s_-]+", value) if word)


@string_filter
def _humanize(value: str) -> str:
    return {"0": "No", "1": "Yes"}.get(value) or _titleize(value)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "replace": _replace,
        "join": _join,
        "uniq": _uniq,
        "strip_html": _strip_html,
        "where": _where,
        "find": _find,
        "get": _get,
        "slice": _slice,
        "flatten": sequence_filter(flatten),
        "to_values": _to_values,
        "to_json": to_json,
        "json": to_json,
        "dasherize": _dasherize,
        "parameterize": _parameterize,
        "camelize": _camelize,
        "titleize": _titleize,
        "humanize": _humanize,
        **TIME_FILTERS,
        **REGEX_FILTERS,
    }
)

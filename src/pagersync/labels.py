"""Labels as requests give them: whatever is said is kept as well as it can be. Pure.

Rootly has labels of alerts as a list of `{"key", "value"}` and those of incidents as an object.
Both are read, and no label is a reason to refuse an alert or an incident.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import Field

from pagersync.fitting import cut
from pagersync.texts import fit_text

LABELS_MAX: Final = 50
KEY_CHARACTERS_MAX: Final = 100
VALUE_CHARACTERS_MAX: Final = 255
SHOWN_CHARACTERS_MAX: Final = 40
WHOLE_MAX: Final = 2**53

ESCAPED: Final = re.compile(r"\\([,:\\])")
PART: Final = re.compile(r"(?:\\[,:\\]|[^,])*")
KEY: Final = re.compile(r"(?:\\[,:\\]|\\(?![,:\\])|[^:\\])+(?=:)")
ONE_LABEL: Final = r"(\\[,:\\]|\\(?![,:\\])|[^:,\\\x00])+:(\\[,:\\]|\\(?![,:\\])|[^,\\\x00])*"
"""How a label is written in a filter."""


def labels_field(example: Any) -> Any:
    """Return the field of a request's labels."""
    return Field(
        default=None,
        description=f"An object, or a list of objects with `key` and `value`. At most {LABELS_MAX} "
        f"are kept, keys of {KEY_CHARACTERS_MAX} and values of {VALUE_CHARACTERS_MAX} characters: "
        "what is beyond is cut and told in `meta.notes`.",
        examples=[example],
    )


Labels = list[Any] | dict[Any, Any] | None


def fit_labels(given: Labels, notes: list[str], *, as_text: bool = True) -> dict[str, Any]:
    """Return labels by key, as they are kept.

    Args:
        given: as a request has them.
        notes: the list that gets what was cut or left out.
        as_text: whether numbers, true and false are kept as texts; else as they are.
    """
    kept: dict[str, Any] = {}
    left_out = 0
    for key, value in _pairs(given, notes):
        if value is None:
            continue
        name = fit_text(f"the label {_short(key)}", key, KEY_CHARACTERS_MAX, notes)
        if name in kept:
            notes.append(f"the label {_short(name)} is given twice: the last one is kept")
        elif len(kept) >= LABELS_MAX:
            left_out += 1
            continue
        kept[name] = _value(name, value, notes, as_text=as_text)
    if left_out:
        notes.append(f"{left_out} labels were left out: the first {LABELS_MAX} are kept")
    return kept


def label_text(value: Any) -> str:
    """Return a label's value as filters, conditions and templates compare it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def label_of(text: str) -> tuple[str, str] | None:
    r"""Return the key and the value of `key:value`; `\,`, `\:` and `\\` stand for themselves.

    None: there is no colon that ends a key.
    """
    key = KEY.match(text)
    if key is None:
        return None
    return _plain(key.group()), _plain(text[key.end() + 1 :])


def parts_of(text: str) -> list[str]:
    """Return what the commas of a text separate, those behind a backslash left alone."""
    parts, index = [], 0
    while True:
        part = PART.match(text, index)
        assert part is not None  # noqa: S101 - it matches the empty text, too
        parts.append(part.group())
        index = part.end() + 1
        if index > len(text):
            return parts


def alternatives(text: str) -> list[Any]:
    """Return the values of a label that a text means: itself, and a number, true or false."""
    try:
        other = json.loads(text)
    except ValueError:
        return [text]
    is_plain = isinstance(other, bool | int | float) and math.isfinite(other)
    return [text, other] if is_plain else [text]


def _plain(text: str) -> str:
    return ESCAPED.sub(r"\1", text)


def _pairs(given: Labels, notes: list[str]) -> Iterator[tuple[str, Any]]:
    if isinstance(given, dict):
        named: Any = given.items()
    else:
        named = (_pair(each) for each in given or ())
    for position, (key, value) in enumerate(named, start=1):
        if key is None or not str(key).strip():
            notes.append(f"label {position} was left out: it has no key")
        else:
            yield key if isinstance(key, str) else label_text(key), value


def _pair(item: Any) -> tuple[Any, Any]:
    """Return the key and the value of one item of a list."""
    if isinstance(item, dict):
        return item.get("key"), item.get("value")
    return label_of(item) or (None, None) if isinstance(item, str) else (None, None)


def _value(name: str, value: Any, notes: list[str], *, as_text: bool) -> Any:
    if isinstance(value, bool) or _is_storable_number(value):
        return label_text(value) if as_text else value
    what = f"the value of the label {_short(name)}"
    return fit_text(what, label_text(value), VALUE_CHARACTERS_MAX, notes)


def _is_storable_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= WHOLE_MAX


def _short(key: str) -> str:
    return repr(cut(key, SHOWN_CHARACTERS_MAX))

"""References to named secrets, `{{ secrets.NAME }}`, and what is sent in their place. Pure.

They look like Liquid and are none: no template ever sees a value. Before a template is rendered,
a marker that nobody can guess takes the place of each reference. When the call is made, the value
takes the place of the marker.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from secrets import token_hex
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote

from pagersync.secrets.literals import (
    FIELDS,
    MASK,
    PLAIN_MASK,
    REFERENCE,
    TAGGED,
    without_tags,
)
from pagersync.texts import replace_texts

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_NONCE: Final = token_hex(16)
MARKER: Final = re.compile(f"pgs-{_NONCE}-([A-Za-z0-9_]+)-end")
WRITTEN: Final = re.compile(f"pgm-{_NONCE}-[0-9a-f]{{12}}-[0-9]+-end")
PIECE: Final = re.compile(f"{TAGGED}+|[^{TAGGED}]+")
HIDDEN_CHARACTERS_MIN: Final = 3
"""A shorter one stands in every text."""

JSON_IN_JSON_MAX: Final = 3
CUT_CHARACTERS_MIN: Final = 4
WORD_CHARACTERS_MIN: Final = 8
"""Shorter words of an address that is a secret are names, like `services`."""


def reference(name: str) -> str:
    """Return how a secret is referred to."""
    return f"{{{{ secrets.{name} }}}}"


def names_in(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each secret that the parameters of a call refer to: the parameter and the name."""
    for parameter in FIELDS:
        if isinstance(text := params.get(parameter), str):
            for name in dict.fromkeys(REFERENCE.findall(text)):
                yield parameter, name


def mark(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call with markers for references, so that they can be rendered."""
    marked = {name: marked_text(params[name]) for name in FIELDS if name in params}
    return {**params, **marked}


def marked_text(text: Any) -> Any:
    """Return one parameter with markers."""
    if not isinstance(text, str):
        return text
    return REFERENCE.sub(lambda found: f"pgs-{_NONCE}-{found.group(1)}-end", text)


def mark_written(
    params: Mapping[str, Any], values: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters of a call with markers for masks, and what each marker stands for.

    Only where secrets may be written do masks stand for them: anywhere else a mask is a text. Tags
    of Liquid in a value are rendered with the rest, so these stand there as they are.

    Args:
        params: as they are saved.
        values: what masks stand for.
    """
    pieces: dict[str, str] = {}

    def marked(mask: str) -> str:
        value, parts = values[mask], []
        for number, found in enumerate(PIECE.finditer(without_tags(value))):
            part = value[found.start() : found.end()]
            if not found.group().startswith(TAGGED):
                marker = f"pgm-{_NONCE}-{mask.strip('*')}-{number}-end"
                pieces[marker], part = part, marker
            parts.append(part)
        return "".join(parts)

    texts = {name: params[name] for name in FIELDS if isinstance(params.get(name), str)}
    opened = {
        name: MASK.sub(lambda found: marked(found.group()), text) for name, text in texts.items()
    }
    return {**params, **opened}, pieces


def unmark(value: Any) -> Any:
    """Return a JSON value with references and masks for markers, as people may see it."""

    def shown(text: str) -> str:
        text = MARKER.sub(lambda found: reference(found.group(1)), text)
        return WRITTEN.sub(PLAIN_MASK, text)

    return replace_texts(value, shown)


@dataclass(frozen=True)
class CallSecrets:
    """The secrets of one call.

    Attributes:
        named: values by name.
        written: values that stand in the parameters themselves.
        pieces: what the markers of masks stand for.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    pieces: Mapping[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """Return a text with values for markers."""
        return MARKER.sub(lambda found: self.named.get(found.group(1), found.group()), text)

    def fill_written(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return rendered parameters of a call with values for the markers of masks."""
        return {
            name: WRITTEN.sub(lambda found: self.pieces.get(found.group(), found.group()), text)
            for name in FIELDS
            if isinstance(text := params.get(name), str)
        }

    def fill_url(self, url: str) -> str:
        """Return an address with values for markers.

        The one that it begins with is an address itself; the others are percent-encoded.
        """
        begins = MARKER.match(url)
        head = self.fill(begins.group()) if begins else ""
        tail = url[begins.end() :] if begins else url
        return head + MARKER.sub(lambda found: quote(self.fill(found.group()), safe=""), tail)

    def fill_body(self, body: str | None) -> str | None:
        """Return a body with values for markers, which stand in texts if it is JSON."""
        if body is None or not MARKER.search(body):
            return body
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return self.fill(body)
        return MARKER.sub(lambda found: json.dumps(self.fill(found.group()))[1:-1], body)

    def hide(self, text: str, *, is_cut: bool = False) -> str:
        """Return a text without the values, in any form in which they may come back.

        Args:
            text: what somebody answered, or an error.
            is_cut: whether the text ends anywhere, perhaps amid a value.
        """
        if is_cut:
            text = self._without_beginning(text)
        for form in self._forms:
            text = text.replace(form, PLAIN_MASK)
        return str(unmark(text))

    def hide_in(self, value: Any) -> Any:
        """Return a JSON value without the values, in every text of it."""
        return replace_texts(value, self.hide)

    @property
    def characters_max(self) -> int:
        """How long a value is at most, in any form."""
        return len(self._forms[0]) if self._forms else 0

    @cached_property
    def _forms(self) -> list[str]:
        forms = {
            form for value in (*self.named.values(), *self.written) for form in forms_of(value)
        }
        return sorted(forms, key=len, reverse=True)

    def _without_beginning(self, text: str) -> str:
        """Return a text without the beginning of a value at its end; the longest counts."""
        for form in self._forms:
            begins = form[:CUT_CHARACTERS_MIN]
            at = text.find(begins, max(0, len(text) - len(form) + 1))
            while at >= 0:
                if form.startswith(text[at:]):
                    return text[:at] + PLAIN_MASK
                at = text.find(begins, at + 1)
        return text


NO_SECRETS: Final = CallSecrets()


def forms_of(value: str) -> set[str]:
    """Return the forms in which a value may stand in a text that somebody answers."""
    plain = {value, value.strip(), *_unescaped(value), unquote(value), *_of_basic(value)}
    plain |= {value.lower(), value.upper()}
    if "://" in value:  # of an address that is a secret, its path and its query
        words = re.split(r"[/?&=#]", value.partition("://")[2])[1:]
        plain |= {word for word in words if len(word) >= WORD_CHARACTERS_MIN}
    forms = set(plain)
    for each in plain:
        forms |= {quote(each, safe=""), quote(each), quote_plus(each), _base64(each)}
        forms |= {html.escape(each), *_escaped(each, ascii_only=True)}
        forms |= {*_escaped(each, ascii_only=False)}
    return {form for form in forms if len(form) >= HIDDEN_CHARACTERS_MIN}


def _escaped(text: str, *, ascii_only: bool) -> Iterator[str]:
    """Yield a text as JSON has it, and as JSON inside of JSON does."""
    for _ in range(JSON_IN_JSON_MAX):
        text = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
        yield text


def _base64(text: str) -> str:
    return base64.b64encode(text.encode(errors="replace")).decode().rstrip("=")


def _unescaped(value: str) -> Iterable[str]:
    try:
        text = json.loads(f'"{value}"')
    except ValueError:
        return ()
    return (text,)


def _of_basic(value: str) -> Iterable[str]:
    """Return user and password that a value of `Authorization: Basic` holds."""
    try:
        both = base64.b64decode(value.encode(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ()
    _, colon, password = both.partition(":")
    return (both, password) if colon and both.isprintable() else ()

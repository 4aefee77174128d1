"""Secrets that people write into a call: where they stand, and the masks that replace them. Pure.

A mask is `***` with twelve hexadecimal digits inside. It stands for one value that is kept
encrypted in `sealed_values`, so a definition with masks can be exported, shown and saved again.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex
from typing import Any, Final

FIELDS: Final = ("url", "headers", "params", "body")
"""Parameters of `http_client` in which secrets are looked for, and may be referred to."""

PLAIN_MASK: Final = "***"
MASK: Final = re.compile(r"\*\*\*[0-9a-f]{12}\*\*\*")
NO_VALUE: Final = re.compile(r"\[hidden\]|\(hidden\)|\"\*\*\*\"")
"""What answers, exports and the audit log show instead of a value, and what stands for none."""

REFERENCE: Final = re.compile(r"\{\{-?\s*secrets\.([A-Za-z][A-Za-z0-9_]{0,63})\s*-?\}\}")
OPENING: Final = re.compile(r"\{[{%]")
TAGGED: Final = "\x01"
MASKED: Final = "\x02"

SECRET_NAME: Final = re.compile(
    r"auth(?!or(?!i[sz]))|token|secret|passw|passphrase|pwd|credential|signature|\bsig\b|cookie"
    r"|session[-_ ]?id|bearer|jwt|hmac|otp\b|^pass$|^key$|^x-.*key$|api[-_ ]?key"
    r"|(access|private|routing|integration|service|account|subscription|webhook|genie)[-_ ]?key",
    re.IGNORECASE,
)
SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z-]{1,19}[ \t]+(?=\S)")
NOTHING: Final = re.compile(r"[\W\x01\x02_]*")
"""A value without a letter or a digit of its own."""

JSON_PAIR: Final = re.compile(r'(?<!\\)"((?:[^"\\]|\\.)*)"\s*:\s*"((?:[^"\\]|\\.)*)"')
PLAIN_PAIR: Final = re.compile(
    r"(?<![\w.-])(?:(?![A-Za-z])[\w.-])*([A-Za-z][\w.-]*)[ \t]*[=:][ \t]*([^\s&;,\"'<>{}]+)"
)
XML_PAIR: Final = re.compile(r"<([A-Za-z][\w.:-]{0,60})>([^<>]+)</")
QUERY_PAIR: Final = re.compile(r"[?&]([^=&#?]*)=([^&#]*)")
USERINFO: Final = re.compile(r"//([^/?#@:]*)(?::([^/?#@]*))?@")
TOKENS: Final = re.compile(
    r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|(?:sk|pk|rk)_(?:live|test)_\w+|gh[pousr]_\w{20,}|github_pat_\w+|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]+|AKIA[0-9A-Z]{16}|ps(?:k|wh)_[\w-]{20,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)[\w-]{24,}(?![\w-])"
)
"""What looks like a secret wherever it stands, the last line by its many kinds of characters.

These patterns read what holders of API keys send, in the process that pages. So none may look at
a long text from each of its places: what one begins with is short, or ends where the next begins.
"""
BEARER: Final = re.compile(r"\b(?:Bearer|Basic)\s+([\w.~+/=-]{4,})", re.IGNORECASE)

Span = tuple[int, int]


def new_mask() -> str:
    """Return a mask that was never used."""
    return f"***{token_hex(6)}***"


def find_spans(field: str, text: str) -> list[Span]:
    """Return where secrets stand in a parameter, in their order, without overlaps.

    Tags of Liquid, references to named secrets among them, and masks are no secrets.
    """
    shadow = MASK.sub(lambda found: MASKED * len(found.group()), text)
    shadow = without_tags(shadow)
    candidates = sorted(_candidates(field, shadow), key=lambda span: (span[0], -span[1]))
    spans: list[Span] = []
    for start, end in candidates:
        value = shadow[start:end]
        is_new = not spans or start >= spans[-1][1]
        refers = MASKED in value or REFERENCE.search(text, start, end)
        if is_new and not refers and not NOTHING.fullmatch(value):
            spans.append((start, end))
    return spans


def replace_literals(params: Mapping[str, Any], replace: Callable[[str], str]) -> dict[str, Any]:
    """Return the parameters of a call with each secret in them replaced."""
    replaced = dict(params)
    for field in FIELDS:
        if isinstance(text := params.get(field), str):
            replaced[field] = replace_in(field, text, replace)
    return replaced


def replace_in(field: str, text: str, replace: Callable[[str], str]) -> str:
    """Return one parameter with each secret in it replaced."""
    parts, at = [], 0
    for start, end in find_spans(field, text):
        parts += [text[at:start], replace(text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def hide_literals(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call with `***` for each secret in them."""
    return replace_literals(params, lambda _: PLAIN_MASK)


def literals_of(params: Mapping[str, Any]) -> list[str]:
    """Return the secrets that stand in the parameters of a call."""
    found: list[str] = []

    def note(value: str) -> str:
        found.append(value)
        return value

    replace_literals(params, note)
    return found


def is_only_reference(value: str) -> bool:
    """Tell whether a value names secrets and holds none itself: `Bearer {{ secrets.NAME }}`."""
    shadow = REFERENCE.sub(TAGGED, value)
    scheme = SCHEME.match(shadow)
    return TAGGED in shadow and bool(NOTHING.fullmatch(shadow, scheme.end() if scheme else 0))


def masks_of(value: Any) -> set[str]:
    """Return every mask in a JSON value."""
    return set(MASK.findall(value if isinstance(value, str) else json.dumps(value)))


def _candidates(field: str, shadow: str) -> Iterator[Span]:
    if field == "url":
        yield from _in_url(shadow)
    else:
        for pairs in (JSON_PAIR, XML_PAIR, *((PLAIN_PAIR,) if field == "body" else ())):
            for pair in pairs.finditer(shadow):
                if SECRET_NAME.search(pair.group(1)):
                    is_login = "auth" in pair.group(1).lower()
                    yield _without_scheme(shadow, pair.span(2)) if is_login else pair.span(2)
        for found in BEARER.finditer(shadow):
            yield found.span(1)
    for found in TOKENS.finditer(shadow):
        yield found.span()


def without_tags(text: str) -> str:
    """Return a text with `TAGGED` for each character of the tags in it.

    Once nothing closes a kind of tag, nothing behind it does: it is not looked for again.
    """
    parts, at, closings = [], 0, {"{{": "}}", "{%": "%}"}
    opening = OPENING.search(text)
    while opening is not None and closings:
        closing = closings.get(opening.group())
        end = text.find(closing, opening.end()) if closing else -1
        if end < 0:
            closings.pop(opening.group(), None)
            opening = OPENING.search(text, opening.start() + 1)
            continue
        end += len(opening.group())
        parts += [text[at : opening.start()], TAGGED * (end - opening.start())]
        at, opening = end, OPENING.search(text, end)
    return "".join([*parts, text[at:]])


def _in_url(shadow: str) -> Iterator[Span]:
    for found in USERINFO.finditer(shadow):
        yield found.span(2) if found.group(2) else found.span(1)
    for pair in QUERY_PAIR.finditer(shadow):
        if SECRET_NAME.search(pair.group(1)):
            yield pair.span(2)


def _without_scheme(shadow: str, span: Span) -> Span:
    """Return where the value behind `Bearer` and the like begins, which is no secret itself."""
    scheme = SCHEME.match(shadow, *span)
    return (scheme.end(), span[1]) if scheme else span

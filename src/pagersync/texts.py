"""Texts and keys of requests and tasks, made to fit what can be kept. Pure.

A request is not refused because a text is long or holds what cannot be stored: the text is cut or
cleaned, and a note says so.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, overload

from pagersync.fitting import fit
from pagersync.pagertree.payloads import storable

DIGEST_CHARACTERS: Final = 16
NOTES_MAX: Final = 20
"""So many notes of one kind are kept; the rest is counted."""


@overload
def fit_text(name: str, text: str, characters_max: int, notes: list[str]) -> str: ...
@overload
def fit_text(name: str, text: str | None, characters_max: int, notes: list[str]) -> str | None: ...
def fit_text(name: str, text: str | None, characters_max: int, notes: list[str]) -> str | None:
    """Return a text that can be stored and is not too long; None stays None.

    Args:
        name: what a note calls the text, for example `summary`.
        text: the text.
        characters_max: the limit.
        notes: the list that gets the notes.
    """
    if text is None:
        return None
    kept = storable(text)
    if kept != text:
        notes.append(f"{name}: characters that cannot be stored were replaced")
    return fit(name, kept, characters_max, notes)


def fit_key(name: str, key: str | None, characters_max: int, notes: list[str]) -> str | None:
    """Return a key that can be stored; two keys that differ stay different.

    A key that is too long is cut and ends with a digest of all of it. A blank key is none: else
    everything without a key would be taken for the same thing.
    """
    if key is None:
        return None
    if not key.strip():
        notes.append(f"{name} is empty: it was left out")
        return None
    if len(key) <= characters_max and key == storable(key):
        return key
    digest = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]
    notes.append(
        f"{name} was cut from {len(key)} to at most {characters_max} characters; it ends with a "
        "digest of the whole, so it stays unique"
    )
    return f"{storable(key)[: characters_max - DIGEST_CHARACTERS - 1]}~{digest}"


def fit_url(name: str, url: str | None, characters_max: int, notes: list[str]) -> str | None:
    """Return an address, or None if it cannot be kept.

    Half an address leads nowhere, and `javascript:` does something to whoever follows it.
    """
    if not url:
        return url
    if len(url) > characters_max:
        why = f"it has {len(url)} characters, at most {characters_max} are kept"
    elif url != storable(url):
        why = "it has characters that cannot be stored"
    elif not url.lower().startswith(("https://", "http://")) or not url.isprintable():
        why = "it must begin with https:// or http://, and be printable"
    else:
        return url
    notes.append(f"{name} was left out: {why}")
    return None


def fit_tags(
    tags: Iterable[str], *, tags_max: int, characters_max: int, notes: list[str]
) -> list[str]:
    """Return tags that can be sent: each once, printable, not too long, not too many."""
    kept: list[str] = []
    for position, tag in enumerate(tags, start=1):
        name = f"tag {position}"
        clean = "".join(each for each in tag if each.isprintable()).strip()
        if not clean:
            notes.append(f"{name} was left out: it is empty")
            continue
        if clean != tag.strip():
            notes.append(f"{name}: characters that cannot be printed were left out")
        clean = fit(name, clean, characters_max, notes)
        if clean not in kept:
            kept.append(clean)
    if len(kept) > tags_max:
        notes.append(f"{len(kept) - tags_max} of {len(kept)} tags were left out: the first stay")
    return kept[:tags_max]


def few(notes: Iterable[str], notes_max: int = NOTES_MAX) -> list[str]:
    """Return notes, each once; of very many the first ones, and how many more there are."""
    each_once = list(dict.fromkeys(notes))
    if len(each_once) <= notes_max:
        return each_once
    return [*each_once[:notes_max], f"and {len(each_once) - notes_max} more like these"]


def replace_texts(value: Any, replace: Callable[[str], str]) -> Any:
    """Return a JSON value with each text in it replaced; the names of objects stay."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, Mapping):
        return {name: replace_texts(each, replace) for name, each in value.items()}
    return [replace_texts(each, replace) for each in value] if isinstance(value, list) else value

"""Texts that are too long are cut, and the cut is noted. Pure.

Nothing that a person writes may stop a page, an alert or an incident only because it is long.
"""

import unicodedata
from collections.abc import Iterable
from typing import Final, overload

ELLIPSIS: Final = "…"
JOINERS: Final = "\u200d\ufe0e\ufe0f"
"""Characters that join or change the one before them: a cut text must not end with one."""


@overload
def cut(text: str, characters_max: int) -> str: ...
@overload
def cut(text: str | None, characters_max: int) -> str | None: ...
def cut(text: str | None, characters_max: int) -> str | None:
    """Return a text of at most `characters_max` characters, which ends with `…` if it was cut.

    The cut never separates a letter from its accents, and never leaves a dangling joiner.
    """
    if text is None or len(text) <= characters_max:
        return text
    end = characters_max - len(ELLIPSIS)
    while end > 0 and unicodedata.combining(text[end]):
        end -= 1
    return text[:end].rstrip(JOINERS) + ELLIPSIS


@overload
def fit(name: str, text: str, characters_max: int, notes: list[str]) -> str: ...
@overload
def fit(name: str, text: str | None, characters_max: int, notes: list[str]) -> str | None: ...
def fit(name: str, text: str | None, characters_max: int, notes: list[str]) -> str | None:
    """Return a text cut to `characters_max` characters; add a note if it was cut.

    Args:
        name: what the note calls the text, for example `title`.
        text: the text; None stays None.
        characters_max: the limit.
        notes: the list that gets the note.
    """
    if text is not None and len(text) > characters_max:
        notes.append(f"{name} was cut from {len(text)} to {characters_max} characters")
    return cut(text, characters_max)


def sentence_of(note: str) -> str:
    """Return a note as a sentence of its own."""
    return f"{note[:1].upper()}{note[1:]}."


def with_notes(sentence: str, notes: Iterable[str]) -> str:
    """Return a sentence for a timeline, with its notes in brackets behind it."""
    listed = "; ".join(dict.fromkeys(notes))
    return f"{sentence} ({listed})" if listed else sentence

"""Six-character ids that people can say aloud. Pure."""

from typing import Final

ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""No 0, 1, I or O: they are misread."""

LENGTH: Final = 6
SPACE: Final = len(ALPHABET) ** LENGTH
MULTIPLIER: Final = 693_262_781
"""Odd, so coprime to the space (a power of two): neighbours get ids that look unrelated."""


def short_id(number: int) -> str:
    """Return the id of the `number`-th alert; distinct for 1,073,741,824 numbers in a row."""
    mixed = number * MULTIPLIER % SPACE
    characters = []
    for _ in range(LENGTH):
        mixed, digit = divmod(mixed, len(ALPHABET))
        characters.append(ALPHABET[digit])
    return "".join(reversed(characters))

"""Durations in words, as Rootly's API takes them. Pure."""

import re
from dataclasses import dataclass
from typing import Final

MINUTE_S: Final = 60
HOUR_S: Final = 60 * MINUTE_S
DAY_S: Final = 24 * HOUR_S

CHARACTERS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """The shortest and the longest that a duration may be."""

    min_s: int
    max_s: int


WAIT: Final = Limits(10, 31 * DAY_S)
"""Before a run. Rootly's documentation: at least 10 seconds; its choices end at one month."""

REPEAT_EVERY: Final = Limits(MINUTE_S, 31 * DAY_S)
"""Between a run and its repetition. Rootly offers 10 minutes to 5 days; its limits are unknown."""

REPEAT_FOR: Final = Limits(MINUTE_S, 366 * DAY_S)
"""From the first run to the last repetition."""

INACTIVITY: Final = Limits(MINUTE_S, 366 * DAY_S)
"""How long an incident has not changed."""

_UNITS_S: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE_S),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR_S),
    **dict.fromkeys(("d", "day", "days"), DAY_S),
    **dict.fromkeys(("w", "week", "weeks"), 7 * DAY_S),
    **dict.fromkeys(("month", "months"), 30 * DAY_S),
}
_PART: Final = re.compile(r"([0-9]{1,9})\s*([a-z]+)")
_FORM: Final = re.compile(rf"{_PART.pattern}(?:[\s,]*{_PART.pattern})*")


def duration_s(text: str, limits: Limits) -> int:
    """Return the seconds of `10 min`, `1h`, `3 days`, `2 weeks` or `2h 30min`. A month is 30 days.

    Rootly's specification gives the first four, its documentation of repeats the last.

    Raises:
        ValueError: it is no duration, or not within the limits.
    """
    words = text.strip().lower()
    parts = _PART.findall(words)
    if len(text) > CHARACTERS_MAX or not _FORM.fullmatch(words):
        raise ValueError(f"{text[:CHARACTERS_MAX]!r} is no duration such as '10 min' or '2 days'")
    unknown = next((unit for _, unit in parts if unit not in _UNITS_S), None)
    if unknown is not None:
        raise ValueError(f"{unknown!r} is no unit: use seconds, minutes, hours, days or weeks")
    duration = sum(int(number) * _UNITS_S[unit] for number, unit in parts)
    if not limits.min_s <= duration <= limits.max_s:
        raise ValueError(
            f"{text!r} must last from {_in_words(limits.min_s)} to {_in_words(limits.max_s)}"
        )
    return duration


def _in_words(seconds: int) -> str:
    for unit_s, unit in ((DAY_S, "days"), (MINUTE_S, "minutes")):
        if seconds % unit_s == 0:
            number = seconds // unit_s
            return f"{number} {unit if number > 1 else unit[:-1]}"
    return f"{seconds} seconds"

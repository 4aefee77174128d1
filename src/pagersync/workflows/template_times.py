"""Filters of templates for times, by Liquid's and Rootly's names. Pure, but for what `now` is.

A time is a datetime, a number of seconds since 1970, `now` or `today`, or a text: ISO 8601, an
e-mail's date, or `May 1, 2020`. Without a zone it is UTC.
"""

import calendar
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from liquid.exceptions import FilterArgumentError

TEXT_CHARACTERS_MAX: Final = 100
FORMAT_CHARACTERS_MAX: Final = 200

_DAY_FORMATS: Final = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%Y/%m/%d")
_OWN_DIRECTIVES: Final = re.compile(r"%[%sLN]")
_MONTHS: Final = MappingProxyType({"month": 1, "year": 12})
_SECONDS: Final = MappingProxyType(
    {"day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0, "millisecond": 0.001}
)


def to_moment(value: object) -> datetime:
    """Return the time that a value means.

    Raises:
        FilterArgumentError: it means none.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time.min, UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str) and len(value) <= TEXT_CHARACTERS_MAX:
        return _read(value.strip())
    raise FilterArgumentError(f"{type(value).__name__} is no time", token=None)


def _read(text: str) -> datetime:
    if text in ("now", "today"):
        return datetime.now(UTC)
    if text.isdecimal():
        return datetime.fromtimestamp(int(text), UTC)
    for read in (datetime.fromisoformat, parsedate_to_datetime, _read_day):
        with suppress(ValueError, TypeError, IndexError):
            return to_moment(read(text))
    raise FilterArgumentError(f"{text!r} is no time", token=None)


def _read_day(text: str) -> datetime:
    for form in _DAY_FORMATS:
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    raise ValueError


def _date(value: object, form: str = "%Y-%m-%d %H:%M:%S %z") -> str:
    """Return a time by `strftime`'s directives, with Ruby's `%s`, `%L` and `%N`."""
    if value is None:
        return ""
    moment, form = to_moment(value), str(form)
    if len(form) > FORMAT_CHARACTERS_MAX:
        raise FilterArgumentError(
            f"a format longer than {FORMAT_CHARACTERS_MAX} characters", token=None
        )
    own = {
        "%%": "%%",
        "%s": str(int(moment.timestamp())),
        "%L": f"{moment.microsecond // 1000:03}",
        "%N": f"{moment.microsecond * 1000:09}",
    }
    return moment.strftime(_OWN_DIRECTIVES.sub(lambda found: own[found.group()], form))


def _to_iso8601(value: object) -> str:
    return to_moment(value).isoformat(timespec="seconds")


def _to_utc(value: object) -> datetime:
    return to_moment(value).astimezone(UTC)


def _in_time_zone(value: object, zone: str) -> datetime:
    with suppress(KeyError, ValueError, OSError):
        return to_moment(value).astimezone(ZoneInfo(str(zone)))
    raise FilterArgumentError(
        f"unknown time zone {str(zone)!r}: give one like Europe/London", token=None
    )


def _date_add(value: object, amount: Any, part: str) -> datetime:
    """Return a time so many years, months, days, hours, minutes or seconds later."""
    moment, unit = to_moment(value), str(part).lower().removesuffix("s")
    if unit in _MONTHS:
        return _months_later(moment, int(amount) * _MONTHS[unit])
    if unit in _SECONDS:
        return moment + timedelta(seconds=float(amount) * _SECONDS[unit])
    known = ", ".join((*_MONTHS, *_SECONDS))
    raise FilterArgumentError(f"unknown part of time {part!r}: there are {known}", token=None)


def _date_minus(value: object, amount: Any, part: str) -> datetime:
    return _date_add(value, -float(amount), part)


def _months_later(moment: datetime, months: int) -> datetime:
    years, month0 = divmod(moment.month - 1 + months, 12)
    year, month = moment.year + years, month0 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return moment.replace(year=year, month=month, day=day)


def _distance_in_words(value: object, other: object = None) -> str:
    """Return how far a time is from another or from now, or how long some seconds are."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return in_words(abs(value - (other if isinstance(other, int | float) else 0)))
    other = "now" if other is None else other
    return in_words(abs((to_moment(value) - to_moment(other)).total_seconds()))


def _distance_to_now_in_words(value: object) -> str:
    return in_words(abs((to_moment(value) - datetime.now(UTC)).total_seconds()))


def in_words(distance_s: float) -> str:
    """Return a length of time as Rails words it: `about 1 hour`, `3 days`, `over 2 years`."""
    minutes = round(distance_s / 60)
    if minutes == 0:
        return "less than a minute"
    for below, about, minutes_each in (
        (45, "minute", 1),
        (1_440, "about hour", 60),
        (2_520, "day", 1_440),
        (43_200, "day", 1_440),
        (86_400, "about month", 43_200),
        (525_600, "month", 43_200),
    ):
        if minutes < below:
            *words, unit = about.split()
            return " ".join([*words, _counted(max(round(minutes / minutes_each), 1), unit)])
    years, rest = divmod(minutes, 525_600)
    if rest < 131_400:  # noqa: PLR2004 - a quarter of a year
        return f"about {_counted(years, 'year')}"
    if rest < 394_200:  # noqa: PLR2004 - three quarters
        return f"over {_counted(years, 'year')}"
    return f"almost {_counted(years + 1, 'year')}"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


TIME_FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "date": _date,
        "to_iso8601": _to_iso8601,
        "to_utc": _to_utc,
        "in_time_zone": _in_time_zone,
        "date_add": _date_add,
        "date_minus": _date_minus,
        "distance_of_time_in_words": _distance_in_words,
        "distance_of_time_in_words_to_now": _distance_to_now_in_words,
    }
)

"""Structured logging: one line per fact, readable alone, with fields to filter by."""

import logging
import sys
from collections import Counter
from collections.abc import MutableMapping
from io import StringIO
from time import monotonic
from typing import Any, Final, TextIO

import structlog

from pagersync.said import printable
from pagersync.settings import Settings

RARELY_S: Final = 60.0

_said_at: dict[tuple[str, str], float] = {}
_unsaid: Counter[tuple[str, str]] = Counter()


def warn_rarely(event: str, *, reason: str, level: str = "error", **fields: Any) -> None:
    """Log what would else be logged for each request, once a minute for each reason.

    The next line says how often it happened meanwhile. Reasons are remembered: they must be few.
    """
    what = event, reason
    if monotonic() - _said_at.get(what, -RARELY_S) < RARELY_S:
        _unsaid[what] += 1
        return
    _said_at[what] = monotonic()
    if times := _unsaid.pop(what, 0):
        fields["times_since_last_line"] = times
    getattr(structlog.get_logger(), level)(event, reason=reason, **fields)


def configure_logging(settings: Settings) -> None:
    """Send every log line of this process, the libraries' included, to standard error.

    Standard output stays free for what a command prints. Access lines are not written at all: a
    webhook's secret stands in its URL.
    """
    level = getattr(logging, settings.log_level.upper())
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(as_json=as_json),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for noisy in ("httpx", "httpcore", "alembic", "uvicorn.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _renderers(*, as_json: bool) -> list[Any]:
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Not rich's tracebacks, which show local variables: those hold secrets.
    colors = sys.stderr.isatty()
    return [
        _printable,
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_plain_traceback),
    ]


def _printable(_: Any, __: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return an event whose texts move no cursor; what is no text is shown as Python has it."""
    texts = {name: value for name, value in event_dict.items() if isinstance(value, str)}
    event_dict.update({name: printable(text) for name, text in texts.items()})
    return event_dict


def _plain_traceback(stream: TextIO, exc_info: Any) -> None:
    buffer = StringIO()
    structlog.dev.plain_traceback(buffer, exc_info)
    stream.write(printable(buffer.getvalue()))

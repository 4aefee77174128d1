"""Log lines about work that failed: once a minute where the database is ill, whatever fails."""

from typing import Any

import structlog

from pagersync.database.trouble import cause_of, trouble_of
from pagersync.database.writes import WRITES
from pagersync.log import warn_rarely

log = structlog.get_logger()


def complain(event: str, error: Exception, **fields: Any) -> None:
    """Log that work was interrupted, and will be tried again."""
    trouble = trouble_of(error)
    if trouble is None:
        log.warning(event, error=repr(error), **fields)
        return
    WRITES.failed(error)
    warn_rarely(event, reason=trouble, error=repr(cause_of(error)), **fields)

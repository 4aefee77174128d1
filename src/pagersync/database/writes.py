"""Whether the database takes changes, by how the newest of them ended."""

from time import monotonic
from typing import Final

import asyncpg

from pagersync.database.trouble import cause_of, trouble_of

BELIEVED_S: Final = 60.0
"""So long a failure counts, unless something was written since."""

_CANNOT: Final = (
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    asyncpg.TooManyConnectionsError,
)


class Writes:
    """What this process knows of its changes."""

    def __init__(self) -> None:
        self._trouble: str | None = None
        self._is_read_only = False
        self._at = 0.0

    def failed(self, error: BaseException) -> None:
        """Note a failure, if it says that nothing can be written."""
        if isinstance(cause_of(error), _CANNOT):
            self._trouble, self._at = trouble_of(error), monotonic()
            self._is_read_only = isinstance(cause_of(error), asyncpg.ReadOnlySQLTransactionError)

    def succeeded(self) -> None:
        """Note that something was written."""
        self._trouble = None

    def is_not_read_only(self) -> None:
        """Note that a row was changed: no other failure than `read-only` is over by that.

        A session that began while the database was read-only stays so. One that is used again later
        says nothing about the database.
        """
        if self._is_read_only:
            self._trouble = None

    def problem(self) -> str | None:
        """Return why nothing can be written, for people; None if nothing says so."""
        return self._trouble if monotonic() - self._at < BELIEVED_S else None


WRITES: Final = Writes()
"""Of this process."""

"""Commits that need not wait for the disk, because nobody outside is told of them yet.

PostgreSQL writes its log in order. So a commit that does wait also brings every earlier one to the
disk. If the server crashes, the newest of the others may be lost, whole, as if they had never been
made. That is right for what pagersync does over again by itself: a claim, a run that an event
starts, a page that a task asks for. It is wrong for what somebody was told: an answer of the API,
or a call that goes out (ADR 27).
"""

from typing import Final

from pagersync.database.engine import Connection

UNHURRIED: Final = "set_config('synchronous_commit', 'off', true) IS NOT NULL"
"""SQL that is true: the transaction's commit does not wait for the disk."""


async def commit_unhurried(connection: Connection) -> None:
    """Let the transaction that is open commit without waiting for the disk."""
    await connection.execute("SET LOCAL synchronous_commit = off")

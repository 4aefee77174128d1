"""After a restore to an earlier moment: a page that may have gone out since is looked for first."""

from typing import Final

from pagersync.database.engine import Connection


async def mark_restored(connection: Connection) -> int:
    """Let every create that is not done be looked for before it is sent; return how many there are.

    The database does not know what was sent after the moment that it shows. So each of these may
    have been sent, just now at the latest.
    """
    return int((await connection.execute(_MARK)).split()[-1])


_MARK: Final = """
UPDATE operations SET may_have_been_sent = true, lookups = 0, last_sent_at = now(),
    first_sent_at = coalesce(first_sent_at, created_at)
WHERE kind = 'create_alert' AND state <> 'done'
"""

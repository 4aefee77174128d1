"""What is wrong with the database that could keep somebody from being paged."""

from ipaddress import ip_address

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.capacity import share_out
from pagersync.database.disk import DiskWatch
from pagersync.database.trouble import ILL
from pagersync.database.writes import WRITES
from pagersync.findings import Finding, Level
from pagersync.settings import Settings


async def find_database_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return that nothing can be written, that the disk is nearly full, or connections few."""
    allowed, used, is_read_only, server, is_encrypted = (await session.execute(_ASK)).one()
    found = []
    writes = ILL[asyncpg.ReadOnlySQLTransactionError] if is_read_only else WRITES.problem()
    if writes:
        remedy = "Look at the database's own log; `/readyz` says `writes: ok` when it is mended."
        found.append(Finding("database_not_writable", Level.CRITICAL, writes, remedy))
    if disk := DiskWatch(settings).problem():
        remedy = "Make room on it, or lower `PAGERSYNC_RETENTION_DAYS`."
        found.append(Finding("disk_nearly_full", Level.CRITICAL, disk, remedy))
    needed = share_out(settings.database_connections_max).total
    if needed > allowed or used >= allowed:
        detail = (
            f"PostgreSQL allows {allowed} connections and {used} are open; each process of "
            f"pagersync may open {needed}"
        )
        remedy = "Raise PostgreSQL's `max_connections`, or run fewer processes."
        found.append(Finding("connections_few", Level.WARNING, detail, remedy))
    if travels_in_clear(server, is_encrypted=bool(is_encrypted)):
        detail = f"The connection to the database at {server} is not encrypted."
        remedy = "Add `?sslmode=verify-full` to PAGERSYNC_DATABASE_URL."
        found.append(Finding("database_in_clear", Level.WARNING, detail, remedy))
    return found


def travels_in_clear(server: str | None, *, is_encrypted: bool) -> bool:
    """Tell whether others on the network could read what is said to the database. Pure.

    Args:
        server: the address that PostgreSQL was called at; None: a socket of this machine.
        is_encrypted: whether the connection uses TLS.
    """
    return server is not None and not is_encrypted and not ip_address(server).is_loopback


_ASK = text(
    """
    SELECT current_setting('max_connections')::int
             - current_setting('superuser_reserved_connections')::int,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
           current_setting('transaction_read_only') = 'on',
           host(inet_server_addr()),
           (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())
    """
)

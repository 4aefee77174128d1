"""`pg_dump` and `pg_restore` of the embedded PostgreSQL, and what a dump must show."""

import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import asyncpg
from asyncpg.exceptions import PostgresError

from pagersync.backup.archive import BackupError
from pagersync.database.cluster import tools_directory
from pagersync.database.engine import Connection

ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a database shows at one moment.

    Attributes:
        fingerprint: of the secret key, as the database keeps it.
    """

    at: datetime
    revision: str
    postgresql: str
    rows: dict[str, int]
    fingerprint: bytes | None


async def dump(address: str, target: Path) -> Shown:
    """Dump a database that is in use; return what it showed at the moment of the dump.

    Rows are counted in the snapshot that `pg_dump` reads, so both tell of one moment.
    """
    connection = await asyncpg.connect(address)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            shown = await look(connection)
            options = ("--format=custom", "--no-owner", f"--snapshot={snapshot}")
            _run("pg_dump", *options, f"--file={target}", f"--dbname={address}")
            return shown
    finally:
        await connection.close()


async def look(connection: Connection) -> Shown:
    """Return what a database shows now."""
    tables = await connection.fetch(_TABLES)
    rows = {
        row["name"]: await connection.fetchval(f'SELECT count(*) FROM "{row["name"]}"')  # noqa: S608 - from the catalogue
        for row in tables
    }
    return Shown(
        await connection.fetchval("SELECT now()"),
        await connection.fetchval("SELECT version_num FROM alembic_version"),
        await connection.fetchval("SHOW server_version"),
        rows,
        await _fingerprint(connection, rows),
    )


async def _fingerprint(connection: Connection, rows: dict[str, int]) -> bytes | None:
    if "secret_key_fingerprint" not in rows:
        return None
    found: bytes | None = await connection.fetchval("SELECT encrypted FROM secret_key_fingerprint")
    return found


async def fill(address: str, source: Path, rows: dict[str, int]) -> None:
    """Fill an empty database from a dump, and check it.

    Raises:
        BackupError: it does not have the rows that it should have.
    """
    options = ("--no-owner", "--exit-on-error", "--single-transaction")
    _run("pg_restore", *options, f"--dbname={address}", str(source))
    connection = await asyncpg.connect(address)
    try:
        found = (await look(connection)).rows
        await connection.execute("ANALYZE")
    except PostgresError as error:
        raise BackupError(f"the restored database cannot be read: {error}") from None
    finally:
        await connection.close()
    wrong = [name for name, count in rows.items() if found.get(name) != count]
    if wrong:
        raise BackupError(
            f"the restored database has other rows than the backup, in {', '.join(wrong)}"
        )


def _run(tool: str, *arguments: str) -> None:
    command = [str(tools_directory() / tool), *arguments]
    done = subprocess.run(  # noqa: S603 - a list of our own making, and no shell
        command, env=ENVIRONMENT, capture_output=True, check=False
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise BackupError(f"{tool} failed: {said}")


_TABLES: Final = """
SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relpersistence = 'p' ORDER BY 1
"""
"""Tables that are not logged hold counts of the last minutes, and a crash empties them, too."""

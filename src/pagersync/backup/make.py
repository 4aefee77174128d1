"""Making a backup of the embedded database while it is in use."""

import base64
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import asyncpg

from pagersync.backup.archive import BackupError, Manifest, sha256_of, write_archive
from pagersync.backup.tools import Shown, dump
from pagersync.database.access import embedded_root, is_embedded
from pagersync.database.postmaster import address_of
from pagersync.integrations.vault import KEY_FILE, find_key
from pagersync.settings import Settings

EXTERNAL: Final = (
    "PAGERSYNC_DATABASE_URL names an external database: back it up with its own tools, for example "
    "pg_dump. After a restore run `pagersync database restored` before `pagersync serve`. Keep the "
    "secret key, too: the database cannot be used without it"
)


async def make_backup(settings: Settings, target: Path, *, with_key: bool) -> tuple[Path, Manifest]:
    """Write a backup to a file, or to a new file in a directory; return both.

    Raises:
        BackupError: the database is not the embedded one, or the file cannot be written.
    """
    if not is_embedded(settings):
        raise BackupError(EXTERNAL)
    target = _file_at(target)
    key = _secret_key(settings) if with_key else None
    address = address_of(embedded_root(settings) / "run")
    with TemporaryDirectory(dir=target.parent, prefix=".pagersync-backup-") as directory:
        file = Path(directory) / "database.dump"
        shown = await dump(address, file)
        manifest = _manifest_of(shown, file)
        write_archive(target, manifest, file, key)
    await _note(address, shown.at)
    return target, manifest


def _file_at(target: Path) -> Path:
    """Return the file to write.

    Raises:
        BackupError: it cannot be written there.
    """
    if target.is_dir():
        target /= f"pagersync-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup"
    if target.exists():
        raise BackupError(f"{target} exists already: name another file")
    if not target.parent.is_dir():
        raise BackupError(f"there is no directory {target.parent}: make it first")
    return target


def _secret_key(settings: Settings) -> str:
    """Return the secret key, or several, as it is set or kept.

    Raises:
        BackupError: there is none.
    """
    key = find_key(settings)
    if key is None:
        path = settings.data_dir / KEY_FILE
        raise BackupError(f"there is no secret key to put in: {path} is missing")
    return key


def _manifest_of(shown: Shown, file: Path) -> Manifest:
    """Return what a backup says of itself."""
    fingerprint = shown.fingerprint
    return Manifest(
        made_at=shown.at,
        pagersync=version("pagersync"),
        postgresql=shown.postgresql,
        revision=shown.revision,
        rows=shown.rows,
        dump_sha256=sha256_of(file),
        fingerprint=None if fingerprint is None else base64.b64encode(fingerprint).decode(),
    )


async def _note(address: str, at: datetime) -> None:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute(_NOTE, at)
    finally:
        await connection.close()


_NOTE: Final = """
INSERT INTO last_backup (id, made_at) VALUES (1, $1)
ON CONFLICT (id) DO UPDATE SET made_at = $1
"""

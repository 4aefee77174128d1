"""Restoring a backup into an empty data directory: all of it, checked, or nothing."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import asyncpg
import structlog

from pagersync.backup.archive import BackupError, Manifest, extract_dump, read_key, read_manifest
from pagersync.backup.make import EXTERNAL
from pagersync.backup.tools import fill
from pagersync.database.access import embedded_root
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.migrate import is_known
from pagersync.database.postmaster import address_of
from pagersync.integrations.vault import (
    KEY_FILE,
    SecretKeyError,
    Vault,
    find_key,
    given_keys,
    has_key,
    split_keys,
)
from pagersync.paging.restored import mark_restored
from pagersync.settings import Settings

NEW: Final = "restore-"

log = structlog.get_logger()


def restore_backup(settings: Settings, source: Path) -> tuple[Manifest, int, str | None]:
    """Restore; return the manifest, how many pages are looked for first, and a warning.

    Raises:
        BackupError: there is a database already, or the backup cannot be used.
    """
    if settings.database_url is not None:
        raise BackupError(EXTERNAL)
    root = embedded_root(settings)
    _check_empty(root)
    manifest = read_manifest(source)
    if not is_known(manifest.revision):
        raise BackupError(
            f"the backup is of pagersync {manifest.pagersync}, which is newer than this version: "
            "install that version"
        )
    key = read_key(source)
    warning = _check_key(settings, manifest, key)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with new_cluster(root) as address:
        dump = root.parent / f"{NEW}dump"
        try:
            extract_dump(source, manifest, dump)
            pages = asyncio.run(_fill(address, dump, manifest))
        finally:
            dump.unlink(missing_ok=True)
    if key is not None and not has_key(settings):
        _keep_key(settings.data_dir / KEY_FILE, key)
    return manifest, pages, warning


def _check_empty(root: Path) -> None:
    if (root / "data").exists():
        raise BackupError(
            f"there is a database in {root} already, and nothing was changed: stop pagersync, move "
            "that directory away, or set PAGERSYNC_DATA_DIR to an empty one"
        )


def _check_key(settings: Settings, manifest: Manifest, key: str | None) -> str | None:
    """Return a warning if the key is missing.

    Raises:
        BackupError: there is another key than the one of the backup.
    """
    fingerprint = manifest.fingerprint_bytes
    if fingerprint is None:
        return None
    path, here = settings.data_dir / KEY_FILE, find_key(settings)
    if here is None and key is None:
        return (
            "The secret key is NOT in this backup, and there is none here. `pagersync serve` will "
            f"not start without it: put it into {path}, or set PAGERSYNC_SECRET_KEY. If it is "
            "lost, `pagersync secret-key accept` says what to enter again."
        )
    try:
        Vault(split_keys(here or key or "")).decrypt(fingerprint)
    except SecretKeyError:
        kept = str(path) if here else "the key in the backup"
        source = "PAGERSYNC_SECRET_KEY" if given_keys(settings) else kept
        raise BackupError(
            f"{source} is not the secret key of this backup. Nothing was changed. Give the right "
            "one, or remove it and restore without a key"
        ) from None
    return None


@contextmanager
def new_cluster(root: Path, *, aside: Path | None = None) -> Iterator[str]:
    """Yield the address of a new cluster; its data goes to `root` if the block ends well.

    Args:
        root: of the installation.
        aside: where the data that is there now goes; None: there must be none.
    """
    directory = Path(mkdtemp(prefix=NEW, dir=root.parent))
    directory.chmod(0o711)
    try:
        with EmbeddedPostgres(directory / "pg"):
            yield address_of((directory / "pg").resolve() / "run")
        root.mkdir(mode=0o700, exist_ok=True)
        if aside is not None:
            (root / "data").rename(aside)
        _check_empty(root)
        (directory / "pg" / "data").rename(root / "data")
        os.sync()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _fill(address: str, dump: Path, manifest: Manifest) -> int:
    await fill(address, dump, manifest.rows)
    connection = await asyncpg.connect(address)
    try:
        return await mark_restored(connection)
    finally:
        await connection.close()


def _keep_key(path: Path, key: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{key}\n")
        file.flush()
        os.fsync(file.fileno())

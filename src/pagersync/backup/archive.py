"""The file of a backup: a tar archive of a manifest, a dump, and perhaps the secret key.

The dump is PostgreSQL's custom format, so `pg_restore` of any newer version reads it, too.
"""

import base64
import hashlib
import io
import os
import shutil
import tarfile
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from pydantic import BaseModel, ValidationError

from pagersync.errors import PagersyncError

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DUMP: Final = "database.dump"
KEY: Final = "secret.key"
CHUNK_BYTES: Final = 1024 * 1024


class BackupError(PagersyncError):
    """A backup cannot be made, read or restored; the message says why, and what to do."""

    code = "backup"
    title = "Backup"


class Manifest(BaseModel):
    """What is in a backup.

    Attributes:
        made_at: the moment that the dump shows.
        revision: of the schema.
        postgresql: version of the server.
        rows: of each table, at that moment.
        dump_sha256: of the dump.
        fingerprint: a constant, encrypted with the secret key, in base64; None without a key.
    """

    format: int = FORMAT
    made_at: datetime
    pagersync: str
    postgresql: str
    revision: str
    rows: dict[str, int]
    dump_sha256: str
    fingerprint: str | None

    @property
    def fingerprint_bytes(self) -> bytes | None:
        """The fingerprint as the database keeps it."""
        return None if self.fingerprint is None else base64.b64decode(self.fingerprint)


def sha256_of(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(path: Path, manifest: Manifest, dump: Path, key: str | None) -> None:
    """Write a backup: whole or not at all, and readable only by its owner.

    Raises:
        BackupError: the file exists already, or cannot be written.
    """
    try:
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as draft:
            with tarfile.open(fileobj=draft, mode="w") as archive:
                _add_text(archive, MANIFEST, manifest.model_dump_json(indent=2))
                if key is not None:
                    _add_text(archive, KEY, f"{key}\n")
                archive.add(dump, DUMP)
            draft.flush()
            os.fsync(draft.fileno())
            os.link(draft.name, path)
    except FileExistsError:
        raise BackupError(f"{path} exists already: name another file") from None
    except OSError as error:
        raise BackupError(f"the backup cannot be written to {path}: {error.strerror}") from None


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(text.encode()), 0o600
    archive.addfile(info, io.BytesIO(text.encode()))


def read_manifest(path: Path) -> Manifest:
    """Return what a backup says of itself.

    Raises:
        BackupError: it is no backup, or one of a newer version.
    """
    try:
        manifest = Manifest.model_validate_json(_read_text(path, MANIFEST) or "")
    except (tarfile.TarError, ValidationError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it has no manifest"
        raise BackupError(f"{path} is no backup of pagersync: {reason}") from None
    if manifest.format != FORMAT:
        raise BackupError(
            f"{path} has the format {manifest.format}, this version reads {FORMAT}: "
            f"use pagersync {manifest.pagersync}"
        )
    return manifest


def read_key(path: Path) -> str | None:
    """Return the secret key that a backup holds, if it holds one."""
    text = _read_text(path, KEY)
    return None if text is None else text.strip()


def extract_dump(path: Path, manifest: Manifest, target: Path) -> None:
    """Copy the dump out of a backup, and check it.

    Raises:
        BackupError: the backup is damaged.
    """
    try:
        with tarfile.open(path) as archive, target.open("wb") as file:
            source = archive.extractfile(DUMP)
            assert source is not None  # noqa: S101 - a KeyError is raised where it is missing
            shutil.copyfileobj(source, file, CHUNK_BYTES)
    except (tarfile.TarError, KeyError):
        raise BackupError(f"{path} is damaged: its dump cannot be read") from None
    if sha256_of(target) != manifest.dump_sha256:
        raise BackupError(f"{path} is damaged: the digest of its dump is another one")


def _read_text(path: Path, name: str) -> str | None:
    with tarfile.open(path) as archive:
        try:
            source = archive.extractfile(name)
        except KeyError:
            return None
        return None if source is None else source.read().decode()

"""Encryption of stored credentials, and where its key comes from."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from pagersync.errors import PagersyncError
from pagersync.settings import Settings

KEY_FILE: Final = "secret.key"


class SecretKeyError(PagersyncError):
    """The secret key is missing, malformed, or not the one that encrypted what is stored."""

    code = "secret_key"
    title = "Secret key"


class Vault:
    """Encrypts with the first key and decrypts with any of them.

    Args:
        keys: in the form that `new_secret_key` has.
        source: where they were found, for the message of the error.

    Raises:
        SecretKeyError: a key is not 32 bytes in URL-safe base64.
    """

    def __init__(self, keys: Sequence[str], *, source: str = "PAGERSYNC_SECRET_KEY") -> None:
        try:
            fernets = [Fernet(key) for key in keys]
            self._fernet, self._first = MultiFernet(fernets), MultiFernet(fernets[:1])
            self._has_old_keys = len(fernets) > 1
        except ValueError:
            raise SecretKeyError(
                f"{source} is malformed: `pagersync secret-key` prints a good one"
            ) from None

    @property
    def has_old_keys(self) -> bool:
        """Whether there are keys beside the first."""
        return self._has_old_keys

    def is_current(self, encrypted: bytes) -> bool:
        """Tell whether something was encrypted with the first key."""
        try:
            self._first.decrypt(encrypted)
        except InvalidToken:
            return False
        return True

    def encrypt(self, plain: str) -> bytes:
        """Return `plain`, encrypted."""
        return self._fernet.encrypt(plain.encode())

    def decrypt(self, encrypted: bytes) -> str:
        """Return what `encrypt` was given.

        Raises:
            SecretKeyError: it was encrypted with a key that is not among these.
        """
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken:
            raise SecretKeyError(
                "what is stored was encrypted with another PAGERSYNC_SECRET_KEY: "
                "add that key to the list, or enter the API key again"
            ) from None


def new_secret_key() -> str:
    """Return a fresh key in the form that `PAGERSYNC_SECRET_KEY` takes."""
    return Fernet.generate_key().decode()


def has_key(settings: Settings) -> bool:
    """Tell whether a key is given, or kept in its file."""
    return bool(given_keys(settings)) or (settings.data_dir / KEY_FILE).exists()


def given_keys(settings: Settings) -> str:
    """Return what `PAGERSYNC_SECRET_KEY` is set to: a key, or several with commas between them."""
    return settings.secret_key.get_secret_value() if settings.secret_key is not None else ""


def find_key(settings: Settings) -> str | None:
    """Return the keys as they are given, or kept in the file; None if there are none."""
    path = settings.data_dir / KEY_FILE
    return given_keys(settings) or (_read(path) if path.exists() else None)


def split_keys(keys: str) -> list[str]:
    """Return each of the keys that stand with commas between them."""
    return [key.strip() for key in keys.split(",") if key.strip()]


def open_vault(settings: Settings) -> Vault:
    """Return the vault of `PAGERSYNC_SECRET_KEY`, or of the key file, made when absent.

    Raises:
        SecretKeyError: the key is malformed, or its file can be neither read nor made.
    """
    if given := given_keys(settings):
        return Vault(split_keys(given))
    path = settings.data_dir / KEY_FILE
    try:
        return Vault([_key_from_file(path)], source=f"the key in the file {path}")
    except OSError as error:
        raise SecretKeyError(
            f"cannot keep the secret key in {settings.data_dir} ({error.strerror}): "
            "set PAGERSYNC_SECRET_KEY or a writable PAGERSYNC_DATA_DIR"
        ) from None


def _key_from_file(path: Path) -> str:
    """Return the key in `path`; make it first if need be, whole or not at all."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f"{path.name}.", buffering=0) as draft:
            draft.write(new_secret_key().encode())
            os.fsync(draft.fileno())
            with suppress(FileExistsError):  # another process was faster: its key counts
                os.link(draft.name, path)
    return _read(path)


def _read(path: Path) -> str:
    return path.read_text(errors="replace").strip()

"""Encryption of stored credentials."""

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from pagersync.integrations.vault import SecretKeyError, Vault, new_secret_key, open_vault
from pagersync.settings import Settings


def settings(data_dir: Path, key: str | None = None) -> Settings:
    return Settings(data_dir=data_dir, secret_key=SecretStr(key) if key else None)


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: open_vault(settings(tmp_path / "data")), range(8)))
    sealed = vaults[0].encrypt("k")
    assert all(vault.decrypt(sealed) == "k" for vault in vaults)
    (path,) = (tmp_path / "data").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rotated_key_reads_what_the_old_one_wrote(tmp_path: Path) -> None:
    old, new = new_secret_key(), new_secret_key()
    sealed = open_vault(settings(tmp_path, old)).encrypt("k")
    rotated = open_vault(settings(tmp_path, f"{new}, {old}"))
    assert rotated.decrypt(sealed) == "k"
    assert Vault([new]).decrypt(rotated.encrypt("k")) == "k"


def test_the_wrong_key_says_what_to_do(tmp_path: Path) -> None:
    sealed = open_vault(settings(tmp_path, new_secret_key())).encrypt("k")
    with pytest.raises(SecretKeyError, match="another PAGERSYNC_SECRET_KEY"):
        open_vault(settings(tmp_path, new_secret_key())).decrypt(sealed)


def test_a_malformed_key_is_refused_without_being_repeated(tmp_path: Path) -> None:
    with pytest.raises(SecretKeyError, match="secret-key") as refused:
        open_vault(settings(tmp_path, "too short"))
    assert "too short" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"too short", b"\xff\x00"])
def test_a_malformed_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    with pytest.raises(SecretKeyError, match="malformed") as refused:
        open_vault(settings(tmp_path))
    assert str(path) in str(refused.value)


def test_a_full_disk_leaves_no_half_made_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SecretKeyError, match="No space left"):
        open_vault(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []

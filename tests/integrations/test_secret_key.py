"""The secret key is checked against what the database holds, before anybody works with it."""

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions, raw_connection
from pagersync.integrations import service
from pagersync.integrations.resealing import reseal
from pagersync.integrations.secret_key import (
    accept_key,
    key_problem,
    open_any_vault,
    open_checked_vault,
)
from pagersync.integrations.vault import KEY_FILE, SecretKeyError, Vault, new_secret_key
from pagersync.secrets.findings import find_secret_problems
from pagersync.settings import Settings


def with_key(settings: Settings, *keys: str) -> Settings:
    return settings.model_copy(update={"secret_key": SecretStr(",".join(keys))})


def with_file(settings: Settings, directory: Path) -> Settings:
    return settings.model_copy(update={"secret_key": None, "data_dir": directory})


async def connect(sessions: Sessions, vault: Vault, name: str = "acme") -> None:
    async with sessions.begin() as session:
        await service.add_integration(session, name=name, api_key_encrypted=vault.encrypt("k"))


async def test_another_key_is_refused_with_what_is_lost_and_what_to_do(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await connect(sessions, await open_checked_vault(engine, settings))
    with pytest.raises(SecretKeyError) as refused:
        await open_checked_vault(engine, with_key(settings, new_secret_key()))
    for part in ("the API key of 'acme'", "PAGERSYNC_SECRET_KEY", "accept", "--force"):
        assert part in refused.value.detail
    await open_checked_vault(engine, settings)


async def test_a_lost_key_file_is_not_replaced_silently(
    engine: AsyncEngine, sessions: Sessions, settings: Settings, tmp_path: Path
) -> None:
    by_file = with_file(settings, tmp_path)
    await connect(sessions, await open_checked_vault(engine, by_file))
    key = (tmp_path / KEY_FILE).read_bytes()
    (tmp_path / KEY_FILE).unlink()
    with pytest.raises(SecretKeyError, match=str(tmp_path / KEY_FILE)):
        await open_checked_vault(engine, by_file)
    locked = await open_any_vault(engine, by_file)
    for act in (lambda: locked.encrypt("k"), lambda: locked.decrypt(b"k")):
        with pytest.raises(SecretKeyError, match="missing"):
            act()
    assert not (tmp_path / KEY_FILE).exists(), "a new key would hide that the old one is lost"
    (tmp_path / KEY_FILE).write_bytes(key)
    await open_checked_vault(engine, by_file)


async def test_doctor_says_that_the_key_is_missing_or_another_one(
    engine: AsyncEngine, sessions: Sessions, settings: Settings, tmp_path: Path
) -> None:
    await connect(sessions, await open_checked_vault(engine, settings))

    async def found(these: Settings) -> list[str]:
        async with sessions() as session:
            findings = await find_secret_problems(session, these)
        return [each.detail for each in findings if each.code == "secret_key_wrong"]

    assert await found(settings) == []
    (other,) = await found(with_key(settings, new_secret_key()))
    assert "another one" in other
    (missing,) = await found(with_file(settings, tmp_path))
    assert "the secret key is missing" in missing


async def test_a_database_of_an_older_version_is_believed_if_its_credentials_can_be_read(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    old = new_secret_key()
    await connect(sessions, Vault([old]))
    with pytest.raises(SecretKeyError):
        await open_checked_vault(engine, with_key(settings, new_secret_key()))
    await open_checked_vault(engine, with_key(settings, old))


async def test_of_two_that_begin_with_different_keys_one_is_refused(
    engine: AsyncEngine, settings: Settings
) -> None:
    tries = [open_checked_vault(engine, with_key(settings, new_secret_key())) for _ in range(4)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(end, Vault) for end in ends) == 1
    assert sum(isinstance(end, SecretKeyError) for end in ends) == 3


async def test_a_rotated_key_is_right_and_the_old_one_can_go_when_everything_is_encrypted_anew(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    old, new = new_secret_key(), new_secret_key()
    await connect(sessions, await open_checked_vault(engine, with_key(settings, old)))
    both = await open_checked_vault(engine, with_key(settings, new, old))
    with pytest.raises(SecretKeyError):
        await open_checked_vault(engine, with_key(settings, new))
    async with raw_connection(engine) as connection:
        assert (await reseal(connection, both)).rows == 1
    await open_checked_vault(engine, with_key(settings, new))


async def test_a_lost_key_is_given_up_by_a_person_and_readiness_follows(
    engine: AsyncEngine, sessions: Sessions, settings: Settings
) -> None:
    await connect(sessions, await open_checked_vault(engine, settings))
    other = with_key(settings, new_secret_key())
    forced = await open_any_vault(engine, other)
    async with raw_connection(engine) as connection:
        assert await key_problem(connection, forced) is not None
        broken = await accept_key(connection, forced)
        assert [(each.kind, each.name) for each in broken] == [("the API key", "acme")]
        assert await key_problem(connection, forced) is None
        assert await key_problem(connection, Vault([new_secret_key()])) is not None
    await open_checked_vault(engine, other)
    async with sessions() as session:
        (account,) = await service.list_integrations(session)
    assert account.api_key_encrypted is None

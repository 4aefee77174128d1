"""A backup of a running service, restored: the same rows, the same key, and it pages."""

import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from pagersync.backup.archive import DUMP, KEY, read_key, read_manifest
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.http import AsyncClient
from tests.support.account import event
from tests.support.program import ADMIN_KEY, Setup, embedded_setup, embedded_url
from tests.support.wait import eventually

HEADERS = {"Authorization": f"Bearer {ADMIN_KEY}"}


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with embedded_setup(PAGERTREE_API_KEY="planted-key") as setup:
        yield setup


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Yield a directory for backups."""
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as directory:
        yield Path(directory)


@pytest.fixture
def elsewhere() -> Iterator[Setup]:
    """Yield an installation whose data directory is empty."""
    directory = Path(tempfile.mkdtemp(prefix="ps-", dir="/tmp"))
    directory.chmod(0o711)
    yield Setup(directory, {})
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
async def files(setup: Setup, place: Path) -> dict[str, Path]:
    """Return backups that were made while the service ran, with an alert and a page that waits."""
    added = await setup.ask("integrations", "add", "acme", "--no-verify")
    async with setup.running("serve") as program, AsyncClient(trust_env=False) as client:
        url = await program.url()
        webhook = f"{url}/webhooks/pagertree/{added['id']}"
        body = event()
        answer = await client.post(webhook, params={"secret": added["webhook_secret"]}, json=body)
        assert answer.status_code == 202

        async def applied() -> bool:
            answer = await client.get(f"{url}/v1/alerts", headers=HEADERS)
            return len(answer.json()["data"]) == 1

        await eventually(applied)
        plain = await setup.run("backup", str(place / "plain.backup"))
        assert plain.returncode == 0, plain.stderr
        assert "the secret key is NOT in this backup" in plain.stderr
        keyed = await setup.run("backup", str(place), "--with-secret-key")
        assert keyed.returncode == 0, keyed.stderr
        assert "who can read the file can read every API key" in keyed.stderr
    (with_key,) = place.glob("pagersync-*.backup")
    return {"plain": place / "plain.backup", "keyed": with_key}


async def rows_of(setup: Setup) -> dict[str, Any]:
    """Return every row of what a backup must keep, as text."""
    postgres = EmbeddedPostgres(setup.directory / "postgres")
    with postgres:
        connection = await asyncpg.connect(postgres.url.replace("+asyncpg", ""))
        try:
            tables = ("integrations", "webhook_secrets", "alerts", "alert_events", "deliveries")
            return {
                table: await connection.fetchval(
                    f"SELECT string_agg(t::text, ' ' ORDER BY t.id) FROM {table} t"  # noqa: S608 - constants
                )
                for table in tables
            }
        finally:
            await connection.close()


async def test_a_restored_service_has_the_same_rows_and_key_and_takes_webhooks(
    setup: Setup, files: dict[str, Path], elsewhere: Setup
) -> None:
    done = await elsewhere.run("restore", str(files["keyed"]))
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    key = elsewhere.directory / "secret.key"
    assert key.read_text().strip() == (setup.directory / "secret.key").read_text().strip()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert await rows_of(elsewhere) == await rows_of(setup)
    rotated = await elsewhere.ask("integrations", "rotate-secret", "acme")
    async with elsewhere.running("serve") as program, AsyncClient(trust_env=False) as client:
        url = await program.url()
        webhook = f"{url}/webhooks/pagertree/{rotated['id']}"
        params = {"secret": rotated["webhook_secret"]}
        answer = await client.post(webhook, params=params, json=event())
        assert answer.status_code == 202
        ready = await client.get(f"{url}/readyz")
        assert ready.status_code == 200
        assert await program.terminate() == 0


async def test_a_backup_is_readable_by_its_owner_alone_and_holds_the_key_only_if_asked(
    files: dict[str, Path],
) -> None:
    assert {stat.S_IMODE(files[name].stat().st_mode) for name in ("plain", "keyed")} == {0o600}
    assert read_key(files["plain"]) is None
    with tarfile.open(files["plain"]) as archive:
        assert KEY not in archive.getnames()
    assert read_key(files["keyed"])
    manifest = read_manifest(files["plain"])
    assert (manifest.rows["integrations"], manifest.rows["alerts"]) == (1, 1)
    assert manifest.fingerprint is not None


async def test_a_restore_without_a_key_warns_and_serve_does_not_start(
    files: dict[str, Path], elsewhere: Setup
) -> None:
    done = await elsewhere.run("restore", str(files["plain"]))
    assert done.returncode == 0, done.stderr
    assert "The secret key is NOT in this backup" in done.stderr
    ended = await elsewhere.run("serve")
    assert ended.returncode == 1
    assert "secret key is missing" in ended.stderr


async def test_a_restore_with_another_key_is_refused_and_changes_nothing(
    files: dict[str, Path], elsewhere: Setup
) -> None:
    other = await elsewhere.tell("secret-key")
    having = elsewhere.having(PAGERSYNC_SECRET_KEY=other.strip())
    for name in ("plain", "keyed"):
        done = await having.run("restore", str(files[name]))
        assert done.returncode == 1
        assert "PAGERSYNC_SECRET_KEY is not the secret key of this backup" in done.stderr
    assert list(elsewhere.directory.iterdir()) == []


async def test_a_restore_never_touches_a_database_that_is_there(
    setup: Setup, files: dict[str, Path]
) -> None:
    before = await rows_of(setup)
    done = await setup.run("restore", str(files["plain"]))
    assert done.returncode == 1
    assert "there is a database in" in done.stderr
    assert await rows_of(setup) == before


async def test_a_damaged_backup_is_refused_and_leaves_nothing(
    files: dict[str, Path], elsewhere: Setup, tmp_path: Path
) -> None:
    whole = files["plain"].read_bytes()
    damaged = tmp_path / "damaged.backup"
    with tarfile.open(files["plain"]) as archive:
        middle = archive.getmember(DUMP).offset_data + 1000
    damaged.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    cut = tmp_path / "cut.backup"
    cut.write_bytes(whole[: len(whole) // 2])
    text = tmp_path / "text"
    text.write_text("no backup")
    for file, reason in ((damaged, "is damaged"), (cut, "is no backup"), (text, "is no backup")):
        done = await elsewhere.run("restore", str(file))
        assert (done.returncode, reason in done.stderr) == (1, True), done.stderr
        assert "Traceback" not in done.stderr
        assert not (elsewhere.directory / "postgres" / "data").exists()
        assert [each.name for each in elsewhere.directory.glob("restore-*")] == []


async def test_a_backup_never_overwrites_a_file(setup: Setup, files: dict[str, Path]) -> None:
    done = await setup.run("backup", str(files["plain"]))
    assert (done.returncode, "exists already" in done.stderr) == (1, True)
    done = await setup.run("backup", str(files["plain"].parent / "no" / "file"))
    assert (done.returncode, "there is no directory" in done.stderr) == (1, True)


async def test_doctor_tells_the_age_of_the_last_backup(
    setup: Setup, files: dict[str, Path]
) -> None:
    assert files
    async with setup.running("serve") as program:
        await program.url()
        address = embedded_url(setup).replace("+asyncpg", "")
        assert "backup_old" not in (await setup.run("doctor", "--json")).stdout
        connection = await asyncpg.connect(address)
        await connection.execute("UPDATE last_backup SET made_at = now() - interval '8 days'")
        assert "is 8 days old" in (await setup.run("doctor", "--json")).stdout
        await connection.execute("DELETE FROM last_backup")
        assert "backup_old" not in (await setup.run("doctor", "--json")).stdout
        await connection.execute("UPDATE integrations SET created_at = now() - interval '9 days'")
        assert "was never backed up" in (await setup.run("doctor", "--json")).stdout
        await connection.close()


async def test_an_external_database_is_left_to_its_own_tools(
    elsewhere: Setup, settings: Any, migrated_engine: Any, place: Path
) -> None:
    del migrated_engine
    url = settings.database_url.get_secret_value()
    external = elsewhere.having(PAGERSYNC_DATABASE_URL=url)
    for command in (("backup", str(place / "x")), ("restore", "x"), ("database", "upgrade")):
        done = await external.run(*command)
        assert (done.returncode, "pagersync database restored" in done.stderr) == (1, True)
    assert "0 pages" in await external.tell("database", "restored", "--yes")

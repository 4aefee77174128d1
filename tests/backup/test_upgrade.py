"""From one major version of PostgreSQL to another, and what interrupts it."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from pagersync.backup.restore import new_cluster
from pagersync.database.access import EMBEDDED_DIR
from pagersync.database.cluster import ASIDE, tools_directory
from pagersync.database.embedded import EmbeddedPostgres, EmbeddedPostgresError
from pagersync.database.postmaster import Layout, run
from tests.support.program import Setup, embedded_setup

OLDER = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
"""Other major versions that this machine happens to have."""


@pytest.fixture
def setup() -> Iterator[Setup]:
    with embedded_setup(PAGERTREE_API_KEY="planted-key") as setup:
        yield setup


@pytest.fixture
def older() -> Iterator[tuple[Setup, Path]]:
    """Yield an installation whose database an older PostgreSQL made, and that one's programs."""
    if not OLDER:
        pytest.skip("no other version of PostgreSQL is installed")
    programs = OLDER[0].parent
    directory = Path(tempfile.mkdtemp(prefix="ps-", dir="/tmp"))
    directory.chmod(0o711)
    layout = Layout((directory / EMBEDDED_DIR).resolve(), is_durable=False)
    layout.data.mkdir(parents=True)
    layout.root.chmod(0o711)
    shutil.chown(layout.data, layout.account.uid, layout.account.gid)
    options = ("--username=pagersync", "--encoding=UTF8", "--locale=C", "--auth=peer")
    run([str(programs / "initdb"), f"--pgdata={layout.data}", *options], layout.account)
    single = [str(programs / "postgres"), "--single", "-D", str(layout.data), "postgres"]
    run(single, layout.account, text="CREATE DATABASE pagersync\n")
    yield Setup(directory, {"PAGERTREE_API_KEY": "planted-key"}), programs
    shutil.rmtree(directory, ignore_errors=True)


async def fill(setup: Setup, programs: Path) -> None:
    """Migrate a database of an older version, and write something into it."""
    root = setup.directory / EMBEDDED_DIR
    with EmbeddedPostgres(root, programs=programs) as server:
        external = setup.having(PAGERSYNC_DATABASE_URL=server.url.replace("+asyncpg", ""))
        await external.tell("migrate")
        await external.tell("integrations", "add", "acme", "--no-verify")


async def version(setup: Setup) -> str:
    with EmbeddedPostgres(setup.directory / EMBEDDED_DIR) as server:
        connection = await asyncpg.connect(server.url.replace("+asyncpg", ""))
        found: str = await connection.fetchval("SHOW server_version")
        await connection.close()
        return found


async def test_a_database_of_an_older_major_version_moves_on_and_the_old_one_stays(
    older: tuple[Setup, Path],
) -> None:
    setup, programs = older
    await fill(setup, programs)
    refused = await setup.run("integrations", "list")
    assert "pagersync database upgrade" in refused.stderr
    unfound = await setup.run("database", "upgrade")
    assert "pip install --target DIR" in unfound.stderr
    said = await setup.tell("database", "upgrade", "--programs", str(programs))
    found = re.search(r"The old data is in (\S+):", said)
    assert found
    assert (Path(found[1]) / "PG_VERSION").read_text().strip() == programs.parent.name
    (account,) = await setup.ask("integrations", "list")
    assert account["name"] == "acme"
    assert (await version(setup)).startswith("18.")
    assert "already" in await setup.tell("database", "upgrade")


async def test_a_new_cluster_of_the_same_version_has_the_same_rows(setup: Setup) -> None:
    added = await setup.ask("integrations", "add", "acme", "--no-verify")
    assert "Upgraded and checked" in await setup.tell("database", "upgrade", "--same-version")
    (listed,) = await setup.ask("integrations", "list")
    assert listed["id"] == added["id"]
    assert len(list((setup.directory / EMBEDDED_DIR).glob(f"{ASIDE}*"))) == 1


async def test_a_database_that_is_in_use_is_not_upgraded(setup: Setup) -> None:
    async with setup.running("serve") as program:
        await program.url()
        done = await setup.run("database", "upgrade", "--same-version")
        assert (done.returncode, "stop pagersync first" in done.stderr) == (1, True)
        assert await program.terminate() == 0


def test_what_fails_leaves_the_old_data_in_its_place(setup: Setup) -> None:
    root = setup.directory / EMBEDDED_DIR
    aside = root / f"{ASIDE}18-x"
    with pytest.raises(RuntimeError), new_cluster(root, aside=aside):
        raise RuntimeError
    assert (root / "data" / "PG_VERSION").exists()
    assert not aside.exists()
    assert [each.name for each in setup.directory.glob("restore-*")] == []


def test_an_upgrade_that_was_interrupted_never_ends_in_an_empty_database(setup: Setup) -> None:
    root = setup.directory / EMBEDDED_DIR
    (root / "data").rename(root / f"{ASIDE}17-x")
    with pytest.raises(EmbeddedPostgresError, match=rf"Put it back: mv .*{ASIDE}17-x"):
        EmbeddedPostgres(root).start(keep=False)
    (root / f"{ASIDE}17-x").rename(root / "data")
    with EmbeddedPostgres(root):
        pass


def test_the_tools_of_the_embedded_postgresql_are_there() -> None:
    for tool in ("pg_dump", "pg_restore"):
        said = subprocess.run(
            [str(tools_directory() / tool), "--version"], capture_output=True, check=True
        )
        assert b"18." in said.stdout

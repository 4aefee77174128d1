"""The `postgres` process of the embedded database: started, asked, ended, and found again.

Every program started here runs as the server's user, outside the terminal's process group, with a
clean environment, and on Linux it is told when the thread that started it dies.
"""

import ctypes
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import structlog

from pagersync.errors import PagersyncError

NAME: Final = "pagersync"
"""Name of the role, of the database and of the map from OS users to the role."""

PORT: Final = 5432
"""Only part of the socket's file name: nothing listens on TCP."""

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "jit": "off",
    # Parallel queries share memory through /dev/shm, of which containers have 64 MB.
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    # The detail of an error holds values of rows, which do not belong into a log.
    "log_error_verbosity": "terse",
}
UNSAFE_SETTINGS: Final[Mapping[str, str]] = {"fsync": "off", "full_page_writes": "off"}
"""For speed: what is committed survives the death of every process, but not of the machine."""
ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}

PR_SET_PDEATHSIG: Final = 1
PROTOCOL: Final = 3 << 16
MESSAGE: Final = struct.Struct("!cI")
TOOL_TIMEOUT_S: Final = 120.0
ASK_TIMEOUT_S: Final = 2.0
FAST_STOP_S: Final = 5.0
LOG_BYTES_MAX: Final = 10 * 1024 * 1024
LOG_TAIL_LINES: Final = 15
LOG_TAIL_BYTES: Final = 4096
PID_LINE: Final = 0
STATUS_LINE: Final = 7

log = structlog.get_logger()


class EmbeddedPostgresError(PagersyncError):
    """The embedded PostgreSQL cannot be used; the message says why, and what to do about it."""

    code = "embedded_postgresql"
    title = "Embedded PostgreSQL"


@dataclass(frozen=True, slots=True)
class Account:
    """The OS user that PostgreSQL runs as; PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    @classmethod
    def own(cls) -> Self:
        """Return the OS user who runs pagersync."""
        return cls(os.geteuid(), os.getegid())

    @property
    def is_other(self) -> bool:
        """Whether this is another user than the one who runs pagersync."""
        return self.uid != os.geteuid()


def address_of(run: Path, *, scheme: str = "postgresql") -> str:
    """Return the address of the server whose socket is in a directory."""
    # The port is said although it never differs: drivers would take another from PGPORT.
    return f"{scheme}://{NAME}@/{NAME}?host={quote(str(run))}&port={PORT}"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one embedded PostgreSQL lies. `root` is absolute, without symlinks."""

    root: Path
    is_durable: bool

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """The directory of the socket."""
        return self.root / "run"

    @property
    def socket(self) -> Path:
        """The socket itself, named as PostgreSQL's clients expect it."""
        return self.run / f".s.PGSQL.{PORT}"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.root / "server.log"

    @property
    def hba(self) -> Path:
        """Who may connect."""
        return self.root / "pg_hba.conf"

    @property
    def ident(self) -> Path:
        """Which OS user is which role."""
        return self.root / "pg_ident.conf"

    @property
    def account(self) -> Account:
        """The OS user that the server runs as: `nobody` under root, the own user otherwise.

        Raises:
            EmbeddedPostgresError: pagersync runs as root and there is no user `nobody`.
        """
        if os.geteuid() != 0:
            return Account.own()
        try:
            nobody = pwd.getpwnam("nobody")
        except KeyError:
            raise EmbeddedPostgresError(
                "PostgreSQL does not run as root, and there is no user 'nobody' to run it as. "
                "Run pagersync as an ordinary user, or set PAGERSYNC_DATABASE_URL."
            ) from None
        return Account(nobody.pw_uid, nobody.pw_gid)


def launch(layout: Layout, binaries: Path, *, stale_pid: int | None) -> subprocess.Popen[bytes]:
    """Start `postgres` as a direct child of the calling thread and return at once.

    Args:
        layout: the prepared directories.
        binaries: the directory of the program `postgres`.
        stale_pid: what the last server left in its pid file, when that process is not a server.
    """
    settings = {
        **SETTINGS,
        "unix_socket_directories": '"{}"'.format(str(layout.run).replace('"', '""')),
        "hba_file": str(layout.hba),
        "ident_file": str(layout.ident),
        **({} if layout.is_durable else UNSAFE_SETTINGS),
    }
    command = [str(binaries / "postgres"), "-D", str(layout.data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    # PostgreSQL takes a pid file for live when any process has its number. It makes one exception,
    # for pg_ctl, and still checks that no old backend is attached to the shared memory: deleting
    # the file would lose that check.
    stale = {} if stale_pid is None else {"PG_GRANDPARENT_PID": str(stale_pid)}
    out = _open_log(layout.log)
    try:
        return spawn(command, layout.account, out=out, extra_environment=stale)
    finally:
        os.close(out)


def _open_log(path: Path) -> int:
    is_large = path.exists() and path.stat().st_size > LOG_BYTES_MAX
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if is_large else 0)
    return os.open(path, flags, 0o600)


def run(command: Sequence[str], account: Account, *, text: str = "") -> str:
    """Run a program as `account`, feed it `text` and return what it printed.

    Raises:
        EmbeddedPostgresError: it could not be started, failed, or took over two minutes.
    """
    program = Path(command[0]).name
    try:
        with spawn(command, account, out=subprocess.PIPE) as process:
            try:
                output, _ = process.communicate(text.encode(), timeout=TOOL_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(f"{program} could not be run: {error}") from error
    printed = output.decode(errors="replace").strip()
    if process.returncode != 0:
        raise EmbeddedPostgresError(f"{program} failed: {printed}")
    return printed


def spawn(
    command: Sequence[str],
    account: Account,
    *,
    out: int,
    extra_environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program as `account`, in a session of its own so that no Ctrl-C reaches it.

    On Linux the kernel sends it SIGINT when the calling thread ends, however it ends.

    Raises:
        OSError: the program cannot be reached or executed by that user.
    """
    switch = account.is_other
    return subprocess.Popen(  # noqa: S603 - a list of our own making, and no shell
        command,
        stdin=subprocess.PIPE if out == subprocess.PIPE else subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={**ENVIRONMENT, **(extra_environment or {})},
        user=account.uid if switch else None,
        group=account.gid if switch else None,
        extra_groups=[] if switch else None,
        start_new_session=True,
        preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - one system call, prepared before the fork
    )


def _end_with(parent: int) -> Callable[[], None] | None:
    """Return what the child has to do, once its user is final, to end when `parent` does."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    option, value = ctypes.c_int(PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGINT)

    def ask_for_the_signal() -> None:
        prctl(option, value)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask_for_the_signal


def why_not_ready(layout: Layout) -> str | None:
    """Return None when the server takes connections, otherwise why it does not.

    The pid file is read first: knocking at a server that is still starting fills its log.
    """
    try:
        status = _pid_file(layout)[STATUS_LINE].strip()
        return _greet(layout.socket) if status == "ready" else f"the server is {status}"
    except (OSError, IndexError) as error:
        return f"no server answers: {error}"


def _greet(path: Path) -> str | None:
    """Log in at the socket and out again; return the server's words if it refuses."""
    wishes = f"user\0{NAME}\0database\0{NAME}\0application_name\0{NAME}\0\0".encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ASK_TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(struct.pack("!II", len(wishes) + 8, PROTOCOL) + wishes)
        with connection.makefile("rb") as answers:
            while len(header := answers.read(MESSAGE.size)) == MESSAGE.size:
                kind, length = MESSAGE.unpack(header)
                body = answers.read(length - 4)
                if kind == b"E":
                    return _error_message(body)
                if kind == b"Z":
                    connection.sendall(MESSAGE.pack(b"X", 4))
                    return None
    return "the server closed the connection"


def _error_message(body: bytes) -> str:
    fields = {field[:1]: field[1:] for field in body.split(b"\0") if field}
    return fields.get(b"M", b"refused").decode(errors="replace")


def end_previous(layout: Layout) -> int | None:
    """End a server that outlived its owner; return the number in the pid file, if there is one.

    Call this only as the owner. What remains in the directory of the socket is removed.

    Raises:
        EmbeddedPostgresError: the old server does not end.
    """
    pid = _recorded_pid(layout)
    if pid is not None and _is_server(pid, layout):
        log.warning("a PostgreSQL without owner is still running and is ended", pid=pid)
        if not any(_ends(pid, layout, by) for by in (signal.SIGINT, signal.SIGQUIT)):
            raise EmbeddedPostgresError(
                f"An old PostgreSQL, process {pid}, still runs on {layout.data} and does not end. "
                f"End it (kill -9 {pid}), then start again."
            )
    layout.socket.unlink(missing_ok=True)
    layout.socket.with_name(f"{layout.socket.name}.lock").unlink(missing_ok=True)
    return pid


def _recorded_pid(layout: Layout) -> int | None:
    try:
        return abs(int(_pid_file(layout)[PID_LINE]))
    except (OSError, IndexError, ValueError):
        return None


def _pid_file(layout: Layout) -> list[str]:
    return (layout.data / "postmaster.pid").read_text(errors="replace").splitlines()


def _is_server(pid: int, layout: Layout) -> bool:
    """Whether `pid` is a `postgres` on this data directory: not a zombie, no number used again."""
    return f"/postgres -D {layout.data} " in f"{_command_line(pid)} "


def _command_line(pid: int) -> str:
    if sys.platform != "linux":
        shown = subprocess.run(  # noqa: S603 - a fixed program and a number
            ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False
        )
        return os.fsdecode(shown.stdout).strip()
    try:
        return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).replace("\0", " ")
    except OSError:
        return ""


def _ends(pid: int, layout: Layout, by: signal.Signals) -> bool:
    deadline = time.monotonic() + FAST_STOP_S
    try:
        os.kill(pid, by)
        while _is_server(pid, layout):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    except ProcessLookupError:
        pass
    return True


def shut_down(server: subprocess.Popen[bytes]) -> None:
    """End our own server: politely for its clients' data, not for their connections."""
    for by in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(by)
        try:
            server.wait(FAST_STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("the embedded PostgreSQL does not end", signal=by.name)
        else:
            return


def log_tail(layout: Layout) -> str:
    """Return the last lines that the server wrote, for an error message."""
    try:
        with layout.log.open("rb") as file:
            file.seek(max(0, layout.log.stat().st_size - LOG_TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return f"{layout.log} cannot be read: {error}"
    return f"{layout.log} ends with:\n" + "\n".join(lines[-LOG_TAIL_LINES:])

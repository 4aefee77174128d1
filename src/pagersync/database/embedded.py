"""The embedded PostgreSQL: one server per data directory, shared by every process that needs it.

Whoever holds the lock `<root>/owner.lock` owns the server and runs it as a child; all others join
through its socket. The kernel drops the lock when its holder dies, and on Linux interrupts the
server too, so nothing is left behind that anybody would have to clean up.
"""

import fcntl
import math
import os
import subprocess
import time
from concurrent.futures import Future
from pathlib import Path
from threading import Event, Thread
from typing import Final, Self

import structlog

from pagersync.database.cluster import find_binaries, initialise, open_root
from pagersync.database.postmaster import (
    EmbeddedPostgresError,
    Layout,
    address_of,
    end_previous,
    launch,
    log_tail,
    shut_down,
    why_not_ready,
)

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

START_TIMEOUT_S: Final = 60.0
ASK_EVERY_S: Final = 0.02
WATCH_EVERY_S: Final = 0.1
RESTART_PAUSE_MIN_S: Final = 0.2
RESTART_PAUSE_MAX_S: Final = 5.0
STEADY_AFTER_S: Final = 10.0
"""A server that ran for so long is started again without holding its past against it."""

EARLY_EXIT_PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 0.0)
"""After a kill -9 a new server exits until the last process of the old one has noticed."""

log = structlog.get_logger()


class EmbeddedPostgres:
    """The PostgreSQL in one data directory: started, joined or taken over, as the case may be.

    One thread, the keeper, starts the server and stays until `stop`: the kernel ends the server
    when the thread that started it ends, not only when the process does. No attribute that the
    keeper writes is touched by another thread while it runs.

    Args:
        root: the directory that holds the server's data, socket and log; made when missing.
        durable: False is faster, but a crash of the machine may lose everything; for tests only.
        programs: the directory of PostgreSQL's programs, of another version than the installed one.
    """

    def __init__(self, root: Path, *, durable: bool = True, programs: Path | None = None) -> None:
        self._programs = programs
        self._layout = Layout(root.resolve(), is_durable=durable)
        self._stopping = Event()
        self._keeper: Thread | None = None
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The database's address for SQLAlchemy; any process of the same OS user can use it."""
        return address_of(self._layout.run, scheme="postgresql+asyncpg")

    @property
    def is_owner(self) -> bool:
        """Whether the server that runs is ours; meaningful after `start`."""
        return self._lock is not None

    def __enter__(self) -> Self:
        """Start or join as a short command does."""
        self.start(keep=False)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server if it is ours."""
        self.stop()

    def start(self, *, keep: bool) -> None:
        """Block until a server answers: one that runs already, or our own.

        Args:
            keep: for processes that live long. The server is started again when it dies, and taken
                over when the process that owns it ends.

        Raises:
            EmbeddedPostgresError: it cannot be started, or does not answer within 60 seconds.
            RuntimeError: it was started already.
        """
        if self._keeper is not None:
            raise RuntimeError("the embedded PostgreSQL was started already")
        open_root(self._layout)
        started: Future[None] = Future()
        self._stopping.clear()
        self._keeper = Thread(
            target=self._run, args=(started,), kwargs={"keep": keep}, name="postgres", daemon=True
        )
        self._keeper.start()
        try:
            started.result()
        except (OSError, subprocess.SubprocessError) as error:
            self.stop()
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL in {self._layout.root} cannot be started: {error}. Mend "
                "that, or set PAGERSYNC_DATABASE_URL to an external PostgreSQL."
            ) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server if this process owns it, otherwise only leave; harmless when repeated."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None

    def _run(self, started: Future[None], *, keep: bool) -> None:
        try:
            self._open(time.monotonic() + START_TIMEOUT_S)
        except Exception as error:  # noqa: BLE001 - raised again where start() waits
            try:
                self._close()
            finally:
                started.set_exception(error)
            return
        started.set_result(None)
        if keep:
            self._watch()
        elif self._server is not None:
            self._stopping.wait()
        self._close()

    def _open(self, deadline: float) -> None:
        while not self._is_owner():
            reason = why_not_ready(self._layout)
            if reason is None:
                log.debug("joined the embedded PostgreSQL of another process")
                return
            self._wait(deadline, reason)
        self._boot(deadline)

    def _is_owner(self) -> bool:
        """Whether the lock is ours, after trying to take it."""
        if self._lock is not None:
            return True
        lock = os.open(self._layout.root / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        except OSError:
            os.close(lock)
            raise
        self._lock = lock
        return True

    def _boot(self, deadline: float) -> None:
        """Start a server that takes connections; only the owner calls this."""
        layout, began = self._layout, time.monotonic()
        binaries = self._programs or find_binaries(layout)
        stale_pid = end_previous(layout)
        initialise(layout, binaries)
        for pause_s in EARLY_EXIT_PAUSES_S:
            self._server = launch(layout, binaries, stale_pid=stale_pid)
            if self._comes_up(self._server, deadline):
                duration_s = round(time.monotonic() - began, 3)
                log.info("embedded PostgreSQL started", pid=self._server.pid, duration_s=duration_s)
                return
            self._stopping.wait(pause_s)
        raise EmbeddedPostgresError(f"PostgreSQL does not start. {log_tail(layout)}")

    def _comes_up(self, server: subprocess.Popen[bytes], deadline: float) -> bool:
        while (reason := why_not_ready(self._layout)) is not None:
            if server.poll() is not None:
                return False
            self._wait(deadline, reason)
        return True

    def _wait(self, deadline: float, reason: str) -> None:
        if self._stopping.wait(ASK_EVERY_S):
            raise EmbeddedPostgresError("The start of PostgreSQL was interrupted.")
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not answer after {START_TIMEOUT_S:.0f} s: {reason}. "
                f"{log_tail(self._layout)}"
            )

    def _watch(self) -> None:
        """Keep a server running until stopped: ours, or that of another owner while it lives."""
        pause_s, up_since = RESTART_PAUSE_MIN_S, time.monotonic()
        while not self._stopping.wait(WATCH_EVERY_S):
            try:
                if not self._is_owner() or self._is_running():
                    continue
                if time.monotonic() - up_since > STEADY_AFTER_S:
                    pause_s = RESTART_PAUSE_MIN_S
                self._revive()
                up_since = time.monotonic()
            except (EmbeddedPostgresError, OSError, subprocess.SubprocessError) as error:
                if self._stopping.is_set():
                    return
                reason = str(error)
                log.error("embedded PostgreSQL cannot be started", reason=reason)  # noqa: TRY400 - the message is made for people, the traceback adds nothing
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, RESTART_PAUSE_MAX_S)

    def _is_running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def _revive(self) -> None:
        if self._server is None:
            log.info("the owner of the embedded PostgreSQL has ended: taking over")
        else:
            status = self._server.returncode
            log.warning("embedded PostgreSQL ended unexpectedly: starting it again", status=status)
        self._boot(math.inf)

    def _close(self) -> None:
        if self._server is not None:
            shut_down(self._server)
            self._server = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

"""The processes that are measured: started, waited for, looked at, ended."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROJECT: Final = Path(__file__).parents[1]
HOST: Final = "127.0.0.1"
READY_TIMEOUT_S: Final = 180.0
STOP_TIMEOUT_S: Final = 15.0
ASK_EVERY_S: Final = 0.01
LOG_TAIL_BYTES: Final = 2000


class ProcessError(Exception):
    """A measured process did not come up; the message ends with what it logged."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        ready_s: from its start to its first good answer.
    """

    process: subprocess.Popen[bytes]
    url: str
    ready_s: float

    def resident_mib(self) -> float | None:
        """Return the resident memory of this one process; None where the system has no /proc."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            return None
        lines = status.read_text().splitlines()
        kib = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
        return int(kib) / 1024


@contextmanager
def running(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module` in the project, its output added to `log`; the block's end ends it."""
    command = [sys.executable, "-m", module, *arguments]
    with (
        log.open("ab") as out,
        subprocess.Popen(
            command, cwd=PROJECT, env={**os.environ, **environment}, stdout=out, stderr=out
        ) as process,
    ):
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()


@contextmanager
def serving(*options: str, environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    """Run `pagersync serve` with these options on a free port; yield it once it is ready."""
    with _listening(["pagersync", "serve", "--port"], options, environment, log) as server:
        yield server


@contextmanager
def serving_no_op(log: Path) -> Iterator[Server]:
    """Run the no-op endpoint on a free port; yield it once it is ready."""
    with _listening(["bench.no_op"], [], {}, log) as server:
        yield server


@contextmanager
def serving_stub(log: Path) -> Iterator[Server]:
    """Run the PagerTree that costs nothing on a free port; yield it once it is ready."""
    with _listening(["bench.pagertree_stub"], [], {}, log) as server:
        yield server


@contextmanager
def serving_simulator(api_key: str, log: Path) -> Iterator[Server]:
    """Run the simulated PagerTree on a free port; yield it once it is ready."""
    command = ["pagersync", "simulator", "api", "--api-key", api_key, "--port"]
    with _listening(command, [], {}, log, ready_path="/control") as server:
        yield server


@contextmanager
def _listening(
    command: Sequence[str],
    options: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    ready_path: str = "/readyz",
) -> Iterator[Server]:
    module, *arguments = command
    port, began = _free_port(), time.monotonic()
    with running(
        module, *arguments, str(port), *options, environment=environment, log=log
    ) as process:
        while not _is_ready(port, ready_path):
            if process.poll() is not None or time.monotonic() - began > READY_TIMEOUT_S:
                tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
                raise ProcessError(f"{' '.join(command)} did not become ready:\n{tail}")
            time.sleep(ASK_EVERY_S)
        yield Server(process, f"http://{HOST}:{port}", time.monotonic() - began)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < http.client.MULTIPLE_CHOICES
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

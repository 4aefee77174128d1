"""Processes of the program that begin as copies of one that has imported it already.

Importing costs more than most commands do. Where a test is about how the program itself starts, it
should not be a copy.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Self

from pagersync.__main__ import main

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "pagersync.cli", "pagersync.app", "pagersync.serve"])


class Fork:
    """One process: what the tests use of `subprocess.Popen`, with the same names."""

    def __init__(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], *, out: Path, err: Path
    ) -> None:
        self.args = arguments
        self._process = FORKS.Process(
            target=_become, args=(arguments, dict(environment), str(out), str(err))
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.join()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            assert timeout is not None
            raise TimeoutExpired(self.args, timeout)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()


def _become(arguments: tuple[str, ...], environment: Mapping[str, str], out: str, err: str) -> None:
    """Be `pagersync` with these arguments, in a session of its own."""
    os.setsid()
    for descriptor, path in ((1, out), (2, err)):
        opened = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pagersync", *arguments]
    main()

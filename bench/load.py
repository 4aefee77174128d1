"""Load on an HTTP endpoint: by wrk where it is installed, else by `bench.client`."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.client import CONNECTIONS
from bench.processes import PROJECT

HOW_TO_INSTALL: Final = "apt-get install wrk"
SCRIPT: Final = Path(__file__).with_name("wrk.lua")
GRACE_S: Final = 30
"""How much longer than asked for a load generator may take."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    Attributes:
        url: where to.
        templates: the file that `bodies.write_templates` wrote.
        run: 0 to 99, another for each load, so that no two send the same body.
        seconds: for how long.
        repeats: how often each body is sent.
    """

    url: str
    templates: Path
    run: int
    seconds: int
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back.

    Attributes:
        answers: complete answers, of any status.
        refused: those among them that were no success.
        unanswered: requests that broke or timed out.
    """

    duration_s: float
    answers: int
    refused: int
    unanswered: int
    p50_ms: float
    p99_ms: float

    @property
    def successes(self) -> int:
        """Answers that promise that the body is kept."""
        return self.answers - self.refused

    @property
    def per_second(self) -> float:
        """Successes a second."""
        return self.successes / self.duration_s

    @property
    def failures(self) -> int:
        """Everything else."""
        return self.refused + self.unanswered


def generator() -> str:
    """Say what the load is made with."""
    if shutil.which("wrk"):
        return "wrk, 1 thread, 64 connections"
    return f"bench/client.py, 64 connections (slower than wrk: {HOW_TO_INSTALL})"


def send(load: Load) -> Outcome:
    """Send the load and return what came back.

    Raises:
        subprocess.SubprocessError: the load generator failed or hung.
    """
    command = _wrk(load) if shutil.which("wrk") else _client(load)
    answer = subprocess.run(
        command, cwd=PROJECT, stdout=subprocess.PIPE, check=True, timeout=load.seconds + GRACE_S
    )
    return Outcome(**json.loads(answer.stdout.splitlines()[-1]))


def _wrk(load: Load) -> list[str]:
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{load.seconds}s", "--timeout", "10s"]
    arguments = [str(load.templates), f"{load.run:02d}", str(load.repeats)]
    return ["wrk", *options, "--script", str(SCRIPT), load.url, "--", *arguments]


def _client(load: Load) -> list[str]:
    arguments = [load.url, load.templates, load.run, load.seconds, load.repeats]
    return [sys.executable, "-m", "bench.client", *map(str, arguments)]

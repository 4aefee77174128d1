"""The process for what takes much computing: jobs in, what they yield out, over its pipes."""

import os
import pickle
import resource
import signal
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

NICE: Final = 10
MEMORY_BYTES_MAX: Final = 1024 * 1024 * 1024
_SIZE: Final = struct.Struct(">I")
SIZE_BYTES: Final = _SIZE.size


@dataclass(frozen=True, slots=True)
class Job:
    """A function of some module, called with these arguments for as long as it may take."""

    function: Callable[..., Iterable[Any]]
    args: tuple[Any, ...]
    cpu_s: float


@dataclass(slots=True)
class Reply:
    """What a job yielded.

    Attributes:
        is_complete: whether it came to its end.
        error: what it raised, if it did.
        cpu_s: how long it computed.
    """

    results: list[Any] = field(default_factory=list)
    is_complete: bool = False
    error: str | None = None
    cpu_s: float = 0.0


class TimeIsUp(BaseException):
    """A job has computed for as long as it may; nothing that it calls takes this for its own."""


def framed(message: Job | Reply) -> bytes:
    """Return a message as it goes through a pipe."""
    body = pickle.dumps(message)
    return _SIZE.pack(len(body)) + body


def size_of(head: bytes) -> int:
    """Return how long a message is, of its first four bytes."""
    size: int = _SIZE.unpack(head)[0]
    return size


def do(job: Job) -> Reply:
    """Return what a job yields until its time is up."""
    reply = Reply()
    began = time.process_time()
    try:
        signal.setitimer(signal.ITIMER_PROF, job.cpu_s)
        for result in job.function(*job.args):
            reply.results.append(result)
        signal.setitimer(signal.ITIMER_PROF, 0)
        reply.is_complete = True
    except TimeIsUp:
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked is told
        reply.error = repr(error)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    reply.cpu_s = time.process_time() - began
    return reply


def main() -> None:
    """Do jobs until whoever sends them is gone."""
    jobs, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is no reply
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    signal.signal(signal.SIGPROF, _time_is_up)
    while (job := _next(jobs)) is not None:
        try:
            reply = do(job)
        except TimeIsUp:  # just when it had ended
            reply = Reply(cpu_s=job.cpu_s)
        replies.write(framed(reply))
        replies.flush()


def _next(jobs: BinaryIO) -> Job | None:
    head = jobs.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    job: Job = pickle.loads(jobs.read(size_of(head)))  # noqa: S301 - of our own parent
    return job


def _time_is_up(_number: int, _frame: object) -> None:
    raise TimeIsUp

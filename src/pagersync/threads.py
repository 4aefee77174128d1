"""Threads for what would block the event loop, by whose work it is.

Each kind of work has its own, so that none waits for another's: what interactive requests, webhook
endpoints or slow name servers need takes no thread from what leads to a page. The event loop's own
threads look up PagerTree's and the database's names, and nothing else.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Some threads, started when they are first needed; a copy of the process begins without."""

    def __init__(self, threads_max: int, name: str) -> None:
        self._threads_max = threads_max
        self._name = name
        self._executor: ThreadPoolExecutor | None = None
        os.register_at_fork(after_in_child=self._forget)

    def executor(self) -> ThreadPoolExecutor:
        """Return what runs functions in them."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads_max, self._name)
        return self._executor

    def _forget(self) -> None:
        self._executor = None


MATCHING: Final = Threads(1, "matching")
"""Looks at events with the conditions of workflows."""

RENDERING_THREADS: Final = 2
RENDERING: Final = Threads(RENDERING_THREADS, "rendering")
"""Renders the tasks of workflow runs."""

WORKFLOW_LOOKUPS: Final = Threads(4, "workflow-lookups")
"""Looks up the hosts that workflows call."""

WEBHOOK_LOOKUPS: Final = Threads(4, "webhook-lookups")
"""Looks up the hosts of webhook endpoints."""

INTERACTIVE: Final = Threads(1, "interactive")
"""Whatever requests of the API need."""


SWITCH_S: Final = 0.0005
"""How long a thread that computes keeps Python's lock while the event loop wants it.

Python's own is 5 ms. On the way of a page the event loop waits for the database some fifty times.
While templates of workflows were rendered, each time cost that much, and the sender of a busy
process made three calls a second.
"""


def let_the_loop_go_first() -> None:
    """Let threads of this process take Python's lock from each other sooner."""
    sys.setswitchinterval(SWITCH_S)


async def run_in(
    threads: Threads, function: Callable[P, T], *args: P.args, **options: P.kwargs
) -> T:
    """Return what a function returns, called in one of these threads."""
    return await asyncio.get_running_loop().run_in_executor(
        threads.executor(), lambda: function(*args, **options)
    )

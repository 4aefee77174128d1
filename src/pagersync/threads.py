"""Threads for what would block the event loop, by whose work it is.

Each kind of work has its own, so that none waits for another's: what interactive requests, webhook
endpoints or slow name servers need takes no thread from what leads to a page. The event loop's own
threads look up PagerTree's and the database's names, and nothing else.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MATCHING: Final = ThreadPoolExecutor(1, "matching")
"""Looks at events with the conditions of workflows."""

RENDERING: Final = ThreadPoolExecutor(2, "rendering")
"""Renders the tasks of workflow runs."""

WORKFLOW_LOOKUPS: Final = ThreadPoolExecutor(4, "workflow-lookups")
"""Looks up the hosts that workflows call."""

WEBHOOK_LOOKUPS: Final = ThreadPoolExecutor(4, "webhook-lookups")
"""Looks up the hosts of webhook endpoints."""

INTERACTIVE: Final = ThreadPoolExecutor(1, "interactive")
"""Whatever requests of the API need."""


async def run_in(
    threads: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **options: P.kwargs
) -> T:
    """Return what a function returns, called in one of these threads."""
    return await asyncio.get_running_loop().run_in_executor(
        threads, lambda: function(*args, **options)
    )

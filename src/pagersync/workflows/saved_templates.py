"""Templates that a request wants to save or to preview: long ones are looked at elsewhere first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pagersync.costly import CostlyWork
from pagersync.errors import BusyError
from pagersync.workflows.preview_work import check_all
from pagersync.workflows.templates import PARAMS_NESTED_MAX, remember_verdict

AT_ONCE_CHARACTERS_MAX: Final = 4_000
"""Templates of a request that are together no longer are looked at in passing: it takes 20 ms."""


async def look_at_templates(
    costly: CostlyWork, caller: str, tasks: Sequence[Mapping[str, Any]]
) -> None:
    """Let a process of its own parse the templates of tasks' parameters, if they are long.

    `check_template` then knows what came of it. Call it before a session is used.

    Raises:
        TooManyAtOnceError, CpuUsedUpError: the caller has to wait.
        BusyError: others are in the way, or there is too much to parse.
    """
    texts = list(dict.fromkeys(text for task in tasks for text in _texts(task, 0)))
    if sum(map(len, texts)) <= AT_ONCE_CHARACTERS_MAX:
        return
    done = await costly.run(caller, check_all, texts)
    for source, problem in zip(texts, done.results, strict=False):
        remember_verdict(source, problem)
    if not done.is_complete:
        raise BusyError(
            "the templates are too long to be checked at once: save fewer tasks at a time",
            retry_after_s=1,
        )


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < PARAMS_NESTED_MAX:
        below = value.values() if isinstance(value, dict) else value
        for each in below if isinstance(value, dict | list) else ():
            yield from _texts(each, depth + 1)

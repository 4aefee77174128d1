"""The table of kinds for the docs. Pure."""

from collections.abc import Iterator

from pagersync.kept import days_kept, variable
from pagersync.retention.kinds import KINDS, OTHERS
from pagersync.settings import Settings


def table_lines() -> Iterator[str]:
    """Yield the table in Markdown: what is kept for how long, and what keeps it longer."""
    defaults = Settings.model_construct()
    yield "| what | setting | days by default | counted from | stays longer because of |"
    yield "|---|---|---|---|---|"
    for kind in KINDS:
        floors = "; ".join(floor.words for floor in kind.floors) or "nothing"
        days = days_kept(defaults, kind.setting)
        yield f"| {kind.name} | `{variable(kind.setting)}` | {days} | {kind.counted} | {floors} |"
    for name, _, setting, counted in OTHERS:
        days = days_kept(defaults, setting)
        yield f"| {name} | `{variable(setting)}` | {days} | {counted} | nothing |"

"""docs/reliability.md says what memory the limits add up to: from the settings, not by hand."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from pagersync.costly_process import MEMORY_BYTES_MAX
from pagersync.front.limits import NEW_BODIES_BYTES_MAX
from pagersync.front.protocol import PIPELINED_MAX, SLICE_BYTES, WRITE_BUFFER_BYTES
from pagersync.front_settings import FrontSettings
from pagersync.settings import Settings

RELIABILITY_MD = Path(__file__).parents[1] / "docs" / "reliability.md"
MIB = 1024 * 1024

CONNECTION_BYTES = 16 * 1024
"""What an open connection costs besides its bytes: 9 KiB were measured with uvloop."""

REQUEST_BYTES = 6 * 1024
"""What a request without a body costs, read and not begun: measured."""


class Row(NamedTuple):
    """One limit: what is held, how much of it, and what that depends on."""

    what: str
    size: int
    made_of: str


def rows(settings: Settings) -> list[Row]:
    each = settings.connections_max
    head = settings.head_bytes_max + SLICE_BYTES
    pipelined = (1 + PIPELINED_MAX) * REQUEST_BYTES
    return [
        Row("open connections", each * CONNECTION_BYTES, "`CONNECTIONS_MAX` x 16 KiB"),
        Row("heads that arrive", each * head, "`CONNECTIONS_MAX` x (`HEAD_BYTES_MAX` + 8 KiB)"),
        Row("requests read ahead", each * pipelined, "`CONNECTIONS_MAX` x 9 x 6 KiB"),
        Row("bodies that nobody has let in", NEW_BODIES_BYTES_MAX, "fixed"),
        Row("API bodies that arrive", settings.api_bodies_bytes_max, "`API_BODIES_BYTES_MAX`"),
        Row(
            "webhooks that arrive", settings.webhook_bodies_bytes_max, "`WEBHOOK_BODIES_BYTES_MAX`"
        ),
        Row("webhooks to be stored", settings.ingest_queue_bytes_max, "`INGEST_QUEUE_BYTES_MAX`"),
        Row("unread ends of answers", each * WRITE_BUFFER_BYTES, "`CONNECTIONS_MAX` x 64 KiB"),
        Row("unread answers", settings.unread_answers_bytes_max, "`UNREAD_ANSWERS_BYTES_MAX`"),
        Row("the process for previews", MEMORY_BYTES_MAX, "fixed; about 100 MiB in use"),
    ]


def table(settings: Settings) -> str:
    """Return the table of docs/reliability.md."""
    found = rows(settings)
    total = sum(row.size for row in found)
    lines = [
        "| what is held | MiB at most | made of (`PAGERSYNC_...`) |",
        "|---|---|---|",
        *(f"| {row.what} | {row.size / MIB:.0f} | {row.made_of} |" for row in found),
        f"| **all of it** | **{total / MIB:.0f}** | |",
    ]
    return "\n".join(lines)


def test_the_memory_that_the_limits_add_up_to_stands_in_the_docs() -> None:
    """Where this fails, `UPDATE_DOCS=1` in the environment writes the table anew."""
    text = RELIABILITY_MD.read_text()
    before, start, rest = text.partition("<!-- made by tests/test_reliability.py -->\n")
    _, end, after = rest.partition("<!-- end -->")
    made = table(Settings()) + "\n"
    if os.environ.get("UPDATE_DOCS"):
        RELIABILITY_MD.write_text(before + start + made + end + after)
    assert made in RELIABILITY_MD.read_text()


def test_every_limit_in_bytes_is_part_of_the_sum() -> None:
    text = RELIABILITY_MD.read_text()
    bounds_one = {"url_bytes_max"}  # a part of the head
    for name in FrontSettings.model_fields:
        if name.endswith("_bytes_max") and name not in bounds_one:
            assert re.search(rf"\b{name.upper()}\b", text), name


def test_a_larger_limit_is_a_larger_sum() -> None:
    def total(settings: Settings) -> int:
        return sum(row.size for row in rows(settings))

    larger = Settings(connections_max=4000)
    assert total(larger) > total(Settings())
    assert f"**{total(Settings()) / MIB:.0f}**" in RELIABILITY_MD.read_text()

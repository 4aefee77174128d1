"""Requesters take turns: the order in which rows of a queue are claimed.

A lane holds the rows of one requester. Whoever was served longest ago comes next, however many rows
he has waiting, so a flood of one requester delays another's row by one. Rows that should come first
(pages) and others (changes of alerts) have lanes of their own: while both wait, three of the first
kind are taken for one of the other.

A process remembers by itself whom it served. Nothing is written for it, and a new process
begins anew.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Final

LATER: Final = "later "
"""How the lanes of rows begin that come after the others."""

FIRST_FOR_ONE: Final = 3
"""So many rows that come first are taken for one of the others, while both wait."""

REMEMBERED_MAX: Final = 500
UNLIMITED: Final = 2**30


def lane_sql(first: str) -> str:
    """Return SQL for the lane of a row; `first` says, as SQL, which rows come first.

    It is written as PostgreSQL shows it of an index, so that the two can be compared.
    """
    return f"(\nCASE\n    WHEN {first} THEN ''\n    ELSE '{LATER}'\nEND || requester)"


def requester_of(lane: str) -> str:
    """Return whose lane it is."""
    return lane.removeprefix(LATER)


class Lanes:
    """What one process remembers of a queue's lanes: when each was served, and what it holds.

    Args:
        leaves_room: a lane holds no more rows than it leaves places, so that others find one.
    """

    def __init__(self, *, leaves_room: bool = False) -> None:
        self._leaves_room = leaves_room
        self._served: dict[str, None] = {}  # longest ago first
        self._held: Counter[str] = Counter()
        self._first_in_a_row = 0

    def arguments(self, rows_max: int) -> tuple[list[str], list[int], int, int]:
        """Return what a claim is told.

        These are lanes by turns, what they hold, the places of which a lane leaves as many as it
        holds, and how many rows that come first were taken in a row.
        """
        lanes = list(self._served)
        held = [self._held[lane] if self._leaves_room else 0 for lane in lanes]
        places = rows_max if self._leaves_room else UNLIMITED
        return lanes, held, places, min(self._first_in_a_row, FIRST_FOR_ONE)

    def take(self, lanes: Iterable[str]) -> None:
        """Remember rows that were claimed, in the order of their turns."""
        for lane in lanes:
            self._served.pop(lane, None)
            self._served[lane] = None
            self._first_in_a_row = 0 if lane.startswith(LATER) else self._first_in_a_row + 1
        for lane in list(islice(self._served, max(0, len(self._served) - REMEMBERED_MAX))):
            if lane not in self._held:
                del self._served[lane]

    def hold(self, lane: str) -> None:
        """Remember that a row is held, until it is left."""
        self._held[lane] += 1

    def leave(self, lane: str) -> None:
        """Remember that a row is not held any more."""
        if self._held[lane] > 1:
            self._held[lane] -= 1
        else:
            del self._held[lane]


LANES: Final = """
    WITH RECURSIVE known AS (
        (SELECT {lane} AS lane FROM {table} WHERE {own} state = 'queued' ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (SELECT {lane} FROM {table} WHERE {own} state = 'queued' AND {lane} > known.lane
                ORDER BY 1 LIMIT 1)
        FROM known WHERE known.lane IS NOT NULL
    )
    SELECT lane, coalesce(($5::int[])[array_position($4::text[], lane)], 0) AS held
    FROM known WHERE lane IS NOT NULL
"""
"""The lanes that have rows waiting: one look into the index for each. `own` limits the rows."""

BY_TURNS: Final = f"""
ranked AS MATERIALIZED (
    SELECT w.*, row_number() OVER (PARTITION BY account, is_later
        ORDER BY place, array_position($4::text[], lane) NULLS FIRST, id) AS n
    FROM (SELECT *, starts_with(lane, '{LATER}') AS is_later FROM waiting) w
), in_turn AS MATERIALIZED (
    SELECT r.*, CASE WHEN is_later
        THEN {FIRST_FOR_ONE + 1} * (n - 1) + greatest(0, {FIRST_FOR_ONE} - $7::int) + 0.5
        ELSE n END AS turn
    FROM ranked r
), head AS MATERIALIZED (
    SELECT id, was_lost
    FROM (
        SELECT *, row_number() OVER (PARTITION BY account ORDER BY was_lost DESC, turn, id) AS m
        FROM in_turn
    ) t
    WHERE m <= room AND held + place <= $6::int - m + 1
    ORDER BY was_lost DESC, turn, id LIMIT $1
)"""  # noqa: S608 - a constant
"""Of rows that `waiting` has locked, those whose turn it is: `place` counts the rows of a lane.

What a worker was lost with is in front, so that it is claimed: alone, as `Queue` has it. After the
row `m` there are `$6 - m` places left, and its lane holds no more rows than those and itself.
"""

HEAD: Final = f"""
lanes AS MATERIALIZED ({LANES}), waiting AS MATERIALIZED (
    SELECT q.id, q.was_lost, l.lane, l.held, NULL AS account, $1::bigint AS room,
        row_number() OVER (PARTITION BY l.lane ORDER BY q.run_at, q.id) AS place
    FROM lanes l CROSS JOIN LATERAL (
        SELECT q.id, q.run_at, q.leased_until IS NOT NULL AS was_lost FROM {{table}} q
        WHERE q.state = 'queued' AND q.run_at <= now() AND {{lane}} = l.lane AND {{not_behind}}
        ORDER BY q.run_at, q.id LIMIT $1
        FOR UPDATE OF q SKIP LOCKED
    ) q
), {BY_TURNS}"""  # noqa: S608 - a constant
"""The rows of a queue whose turn it is, locked."""

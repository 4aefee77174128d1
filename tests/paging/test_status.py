from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.pagertree.statuses import RANKS
from pagersync.paging.models import Operation, OperationState, Page, PageStatus
from pagersync.paging.status import (
    OPERATION_TRANSITIONS,
    PAGE_TRANSITIONS,
    Creation,
    PageState,
    Seen,
    events_between,
    see,
    status_of,
)

BEGAN = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
NEW = PageState(PageStatus.QUEUED)
DONE = Creation(OperationState.DONE, may_have_been_sent=False)


def seen(status: str | None, second: int = 0) -> Seen:
    at = BEGAN + timedelta(seconds=second)
    return Seen("alt_1", "01A", status, round(at.timestamp() * 1000), at)


LIFE = [seen(status, second) for second, status in enumerate(RANKS)]


@pytest.mark.parametrize("length", range(1, len(LIFE) + 1))
def test_what_pagertree_shows_may_come_in_any_order(length: int) -> None:
    ends = set()
    for order in permutations(LIFE[:length]):
        page = NEW
        for each in order:
            page = see(page, each)
        ends.add((page, status_of(page, DONE)))
    assert len(ends) == 1


moments = st.integers(0, 20)


@given(st.lists(st.tuples(st.sampled_from([*RANKS, "suppressed", None]), moments)), st.randoms())
def test_any_order_and_repetition_of_any_sightings_gives_the_same_page(
    drawn: list[tuple[str | None, int]], rng: object
) -> None:
    sightings = [seen(status, second) for status, second in drawn]
    shuffled = [*sightings, *sightings[:3]]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = NEW, NEW
    for each in sightings:
        one = see(one, each)
    for each in shuffled:
        other = see(other, each)
    assert one == other


def test_resolved_absorbs() -> None:
    page = see(see(NEW, seen("resolved", 1)), seen("open", 9))
    assert status_of(page, DONE) == PageStatus.RESOLVED


def test_a_hand_off_makes_an_acknowledged_page_wait_again() -> None:
    page = see(see(NEW, seen("acknowledged", 1)), seen("open", 2))
    assert status_of(page, DONE) == PageStatus.CONFIRMED


def test_an_alert_that_is_only_queued_is_no_delivery() -> None:
    page = see(NEW, seen("queued"))
    assert page.confirmed_at is None
    assert status_of(page, DONE) == PageStatus.SENT


def test_what_pagertree_shows_counts_before_what_we_believed() -> None:
    page = see(NEW, seen("open"))
    for state in OperationState:
        assert status_of(page, Creation(state, may_have_been_sent=True)) == PageStatus.CONFIRMED


@pytest.mark.parametrize(
    ("state", "may_have_been_sent", "status"),
    [
        ("queued", False, "queued"),
        ("queued", True, "unknown"),
        ("running", False, "sending"),
        ("running", True, "sending"),
        ("failed", False, "failed"),
        ("dead", False, "failed"),
        ("unknown", True, "unknown"),
        ("canceled", False, "canceled"),
        ("expired", False, "expired"),
    ],
)
def test_a_page_that_pagertree_has_not_shown_stands_where_its_call_does(
    state: str,
    may_have_been_sent: bool,  # noqa: FBT001 - parametrized
    status: str,
) -> None:
    assert status_of(NEW, Creation(OperationState(state), may_have_been_sent)) == status


def test_confirmed_is_published_once_and_also_when_the_acknowledgement_came_first() -> None:
    shown = see(NEW, seen("acknowledged", 5))
    stands = replace(shown, status=PageStatus.ACKNOWLEDGED)
    assert events_between(NEW, stands) == ["page.confirmed", "page.acknowledged"]
    late = see(stands, seen("open", 1))
    assert events_between(stands, late) == []


async def test_the_database_allows_exactly_the_transitions_of_a_page(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    row = Page(
        id=new_id(), integration_id=new_id(), title="t", urgency="low", targets=[], requested_by="t"
    )
    async with sessions.begin() as session:
        session.add(row)
    for before, after in product(PageStatus, PageStatus):
        allowed = before == after or after in PAGE_TRANSITIONS[before]
        assert await can_go(engine, "pages", "status", before, after) == allowed, (before, after)


async def test_the_database_allows_exactly_the_transitions_of_an_operation(
    engine: AsyncEngine, sessions: Sessions
) -> None:
    row = Operation(
        id=new_id(), integration_id=new_id(), kind="resolve_alert", requested_by="t", params={}
    )
    async with sessions.begin() as session:
        session.add(row)
    for before, after in product(OperationState, OperationState):
        allowed = before == after or after in OPERATION_TRANSITIONS[before]
        found = await can_go(engine, "operations", "state", before, after)
        assert found == allowed, (before, after)


async def can_go(engine: AsyncEngine, table: str, column: str, before: str, after: str) -> bool:
    """Put the only row at `before` behind the trigger's back; tell whether it can go to `after`."""
    update = f"UPDATE {table} SET {column} = :to"  # noqa: S608 - names of ours
    async with engine.connect() as connection:
        await connection.execute(text("SET session_replication_role = replica"))
        await connection.execute(text(update), {"to": before})
        await connection.execute(text("SET session_replication_role = DEFAULT"))
        try:
            await connection.execute(text(update), {"to": after})
        except IntegrityError:
            return False
        finally:
            await connection.rollback()
    return True

"""What turns came to, written down: those that end at the same time in one transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

from pagersync.database.engine import Connection
from pagersync.pagertree.client import Exchange
from pagersync.pagertree.resources import RemoteAlert
from pagersync.paging.batches import end_operations
from pagersync.paging.failed_calls import follow_failure
from pagersync.paging.models import OperationKind, OperationState
from pagersync.paging.status import DROPPED, Creation, PageState, see, seen_in
from pagersync.paging.step import End, Work
from pagersync.paging.store import Change, LockedPage, lock_pages, write_pages


@dataclass(frozen=True, slots=True)
class Shown:
    """An alert as PagerTree showed it.

    Attributes:
        external_id: PagerTree's id of it, as webhooks name it.
        page: the page that it belongs to, if any; its lock is held.
    """

    integration_id: UUID
    external_id: str
    page: LockedPage | None
    remote: RemoteAlert


ReadBack: TypeAlias = Callable[[Connection, Sequence[Shown]], Awaitable[None]]
"""What becomes of alerts as PagerTree showed them, in the transaction that records them."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A turn that is over, and what is known by it.

    Attributes:
        token: that the operation is held under.
        remote: its alert, if PagerTree showed it.
    """

    token: UUID
    work: Work
    end: End
    exchanges: Sequence[Exchange] = field(default=())
    remote: RemoteAlert | None = None


async def record(connection: Connection, read_back: ReadBack, ended: Sequence[Ended]) -> list[bool]:
    """Write what turns came to, as far as their operations are still held; tell which were."""
    async with connection.transaction():
        ids = [e.work.page_id for e in ended if e.work.page_id]
        pages = await lock_pages(connection, ids, dropped=_dropped(ended))
        held = await end_operations(
            connection, [(each.token, each.work, each.end, each.exchanges) for each in ended]
        )
        kept = [each for each in ended if each.work.id in held]
        if kept:
            await _write(connection, read_back, pages, kept)
        for each in kept:
            await follow_failure(connection, each.work, each.end)
    return [each.work.id in held for each in ended]


def _dropped(ended: Sequence[Ended]) -> list[UUID]:
    """Return the pages that PagerTree shows as dropped."""
    shown = [each for each in ended if each.remote and each.remote.status == DROPPED]
    return [each.work.page_id for each in shown if each.work.page_id]


async def _write(
    connection: Connection,
    read_back: ReadBack,
    pages: dict[UUID, LockedPage],
    ended: Sequence[Ended],
) -> None:
    now = datetime.now(UTC)
    changes: list[Change] = []
    shown: list[Shown] = []
    for each in ended:
        page = pages.get(each.work.page_id) if each.work.page_id else None
        external_id = each.work.pagertree_alert_id
        if page is not None:
            change = _change(page, each, now)
            changes.append(change)
            page, external_id = change.page, change.state.pagertree_alert_id
        if each.remote is not None and external_id is not None:
            shown.append(Shown(each.work.integration_id, external_id, page, each.remote))
    if changes:
        await write_pages(connection, changes)
    if shown:
        await read_back(connection, shown)


def _change(page: LockedPage, ended: Ended, now: datetime) -> Change:
    work, end = ended.work, ended.end
    if work.kind == OperationKind.CREATE_ALERT:
        creation = Creation(OperationState(end.outcome.state), end.may_have_been_sent)
        page = replace(page, creation=creation)
    state = _learnt(page.state, end, ended.remote, now)
    return Change(page, state, now, operation_id=work.id, reason=end.outcome.error)


def _learnt(page: PageState, end: End, remote: RemoteAlert | None, now: datetime) -> PageState:
    state = page if remote is None else see(page, seen_in(remote, now))
    if end.is_unknown and state.unknown_at is None:
        state = replace(state, unknown_at=now)
    return state

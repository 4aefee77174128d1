"""Confirmation: a page is delivered when PagerTree shows that it pages people, not before.

Two ways lead here: webhooks, through the alert handlers, and asking PagerTree, on a schedule that
slows down the longer nothing changes. Both are folded by `see`, so it does not matter which came
first, or whether a webhook overtook the answer of the call that created the alert.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from pagersync.database.complaints import complain
from pagersync.database.engine import Connection, raw_connection
from pagersync.errors import PagerTreeError
from pagersync.integrations import gate
from pagersync.pagertree.payloads import AlertSnapshot
from pagersync.pagertree.resources import RemoteAlert
from pagersync.paging.models import marks_of, operation_of
from pagersync.paging.record import Shown
from pagersync.paging.status import DROPPED, PageState, Seen, see, seen_in
from pagersync.paging.store import (
    Account,
    Change,
    LockedPage,
    find_pages,
    load_account,
    lock_pages,
    write_pages,
)
from pagersync.paging.turn import Turns

CHECKS_AT_ONCE: Final = 10
CHECK_EVERY_S: Final = 1.0
CHECK_LEASE_S: Final = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sighting:
    """One webhook event, as far as pages are concerned."""

    integration_id: UUID
    alert_id: str
    delivery_id: UUID | None
    marks: tuple[str, ...]
    seen: Seen

    @property
    def key(self) -> tuple[UUID, str]:
        """The alert that it is about."""
        return self.integration_id, self.alert_id


def sighting(
    integration_id: UUID,
    delivery_id: UUID | None,
    snapshot: AlertSnapshot,
    *,
    status: str | None,
    occurred_at: datetime,
) -> Sighting:
    """Return what a webhook says about a page, if its alert is one's. Pure.

    Args:
        integration_id: the account.
        delivery_id: the webhook.
        snapshot: what it says.
        status: PagerTree's status of the alert, as the body names it or the event implies.
        occurred_at: the event's own time.
    """
    updated_at = snapshot.updated_at
    return Sighting(
        integration_id,
        snapshot.alert_id,
        delivery_id,
        tuple(marks_of(snapshot.fields.get("thirdparty_id"), snapshot.tags)),
        Seen(
            pagertree_alert_id=snapshot.alert_id,
            pagertree_id=None,
            status=status,
            updated_ms=-1 if updated_at is None else round(updated_at.timestamp() * 1000),
            occurred_at=occurred_at,
            acknowledged_at=snapshot.acknowledged_at,
            acknowledged_by=snapshot.acknowledged_by,
            resolved_at=snapshot.resolved_at,
        ),
    )


async def note_sightings(
    connection: Connection, sightings: Sequence[Sighting]
) -> dict[tuple[UUID, str], LockedPage]:
    """Fold webhook events into the pages that they are about; return those pages by alert."""
    keys = list({sighting.key for sighting in sightings})
    marked = {
        operation_id: sighting.key
        for sighting in sightings
        for mark in sighting.marks
        if (operation_id := operation_of(mark))
    }
    found = await find_pages(connection, keys, marked)
    if not found:
        return {}
    dropped = [found[s.key] for s in sightings if s.key in found and s.seen.status == DROPPED]
    locked = await lock_pages(connection, found.values(), dropped=dropped)
    told: defaultdict[UUID, list[Sighting]] = defaultdict(list)
    for each in sightings:
        if each.key in found:
            told[found[each.key]].append(each)
    await write_pages(connection, [_change(locked[page], each) for page, each in told.items()])
    return {key: locked[page_id] for key, page_id in found.items()}


def _change(page: LockedPage, told: Sequence[Sighting]) -> Change:
    state = page.state
    for each in told:
        state = see(state, each.seen)
    latest = max(told, key=lambda each: each.seen.occurred_at)
    return Change(page, state, latest.seen.occurred_at, delivery_id=latest.delivery_id)


class Checker:
    """Asks PagerTree how pages stand that no webhook has told of."""

    def __init__(self, turns: Turns, *, stuck_s: float) -> None:
        self._turns = turns
        self._stuck = timedelta(seconds=stuck_s)

    async def run(self, stop: asyncio.Event) -> None:
        """Check what is due until `stop` is set."""
        while not stop.is_set():
            checked = 0
            try:
                checked = await self.check_due()
            except Exception as error:  # noqa: BLE001 - a worker outlives every failure
                complain("pages could not be checked", error)
            if checked < CHECKS_AT_ONCE:
                await _wait(stop, CHECK_EVERY_S)

    async def check_due(self) -> int:
        """Check the pages whose time has come, at most ten; return how many that were."""
        async with raw_connection(self._turns.engine) as connection:
            await self._turns.revive_resolves(connection)
            due = await connection.fetch(_CLAIM, CHECKS_AT_ONCE, CHECK_LEASE_S)
        await asyncio.gather(
            *(self._check(row["id"], row["integration_id"], row["target"]) for row in due)
        )
        return len(due)

    async def _check(self, page_id: UUID, integration_id: UUID, target: str) -> None:
        async with raw_connection(self._turns.engine) as connection:
            account = await load_account(connection, integration_id)
        if not account.can_be_called or not self._turns.has_key_of(account):
            return
        permit = await self._turns.permits.give_way(integration_id)
        if permit is None:  # pages and changes of alerts go first: it is due again in a while
            return
        await asyncio.sleep(permit.wait_s)
        remote, error = await self._ask(account, target)
        async with raw_connection(self._turns.engine) as connection:
            async with connection.transaction():
                await self._write(connection, page_id, remote, error)
            await self._turns.permits.tell(connection, account, permit, error)

    async def _ask(
        self, account: Account, target: str
    ) -> tuple[RemoteAlert | None, PagerTreeError | None]:
        try:
            return await self._turns.open(account).get_alert(target), None
        except PagerTreeError as error:
            log.info("a page could not be checked", pagertree_id=target, error=error.detail)
            return None, error

    async def _write(
        self,
        connection: Connection,
        page_id: UUID,
        remote: RemoteAlert | None,
        error: PagerTreeError | None,
    ) -> None:
        """Record what a page's alert looks like; one that PagerTree no longer has is let be."""
        if remote is None:
            if error is not None and gate.is_working(error):
                await connection.execute("UPDATE pages SET check_at = NULL WHERE id = $1", page_id)
            return
        dropped = [page_id] if remote.status == DROPPED else []
        page = (await lock_pages(connection, [page_id], dropped=dropped))[page_id]
        now = datetime.now(UTC)
        state = self._stuck_or_not(page, see(page.state, seen_in(remote, now)), now)
        await write_pages(connection, [Change(page, state, now)])
        external_id = state.pagertree_alert_id
        if external_id is not None:
            shown = Shown(page.integration_id, external_id, page, remote)
            await self._turns.read_back(connection, [shown])

    def _stuck_or_not(self, page: LockedPage, state: PageState, now: datetime) -> PageState:
        """Mark a page that is sent and pages nobody. PagerTree's clock may be behind ours."""
        is_paging = state.confirmed_at or state.dropped_at or state.resolved_at
        since = max(state.sent_at or now, page.created_at)
        if is_paging or state.stuck_at or now - since < self._stuck:
            return state
        return replace(state, stuck_at=now)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


_CLAIM = f"""
WITH due AS (
    SELECT q.id FROM pages q
    WHERE q.check_at <= now() AND {gate.IS_OPEN}
      AND EXISTS (SELECT FROM integrations i WHERE i.id = q.integration_id AND i.enabled)
    ORDER BY q.check_at LIMIT $1 FOR UPDATE OF q SKIP LOCKED
)
UPDATE pages p
SET check_at = now() + make_interval(secs => $2), checks = checks + 1
FROM due WHERE p.id = due.id
RETURNING p.id, p.integration_id, coalesce(p.pagertree_id, p.pagertree_alert_id) AS target
"""  # noqa: S608 - a constant

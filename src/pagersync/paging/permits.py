"""Leave to call PagerTree, and the note that a page is about to go out: asked for many at once.

In the usual case both are one statement, so one round trip and one commit. Whatever is unusual is
done step by step: the rate limiter is shut, new, or out of tokens, or somebody holds the page.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection
from pagersync.database.group import Group
from pagersync.errors import PagerTreeError, Rejected
from pagersync.integrations import gate
from pagersync.pagertree.outcome import is_urgency_demanded
from pagersync.paging import standby
from pagersync.paging.batches import MARKED, mark_sending
from pagersync.paging.step import Work
from pagersync.paging.store import Account
from pagersync.settings import Settings


@dataclass(frozen=True, slots=True)
class Held:
    """An operation that is held under a token."""

    token: UUID
    work: Work


class Permits:
    """Asks the rate limiters of accounts, and tells them how PagerTree is doing.

    Args:
        engine: of the database.
        settings: limits.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._settings = settings
        self._entering = Group(engine, partial(self._enter_all, lent_s=gate.LENT_S))
        self._giving_way = Group(engine, partial(self._enter_all, lent_s=0.0))
        self._starting = Group(engine, self._start_all)
        self._announcing = Group(engine, self._announce_all)

    async def enter(self, integration_id: UUID) -> gate.Permit | None:
        """Ask for leave to make one call; None means not now."""
        return await self._entering.do(integration_id)

    async def give_way(self, integration_id: UUID) -> gate.Permit | None:
        """Ask for leave to look for something, or at it: while others wait, it is not now."""
        return await self._giving_way.do(integration_id)

    async def start(self, held: Held) -> gate.Permit | None:
        """Ask for leave to create an alert now, and commit that it may have been sent.

        None: not in one step. Nothing has changed then.
        """
        return await self._starting.do(held)

    async def announce(self, held: Held) -> bool:
        """Commit that an alert is about to be created; False when another has taken over."""
        return await self._announcing.do(held)

    async def aclose(self) -> None:
        """Break off what is still under way in the database."""
        for group in (self._entering, self._giving_way, self._starting, self._announcing):
            await group.aclose()

    @staticmethod
    async def tell(
        connection: Connection, account: Account, permit: gate.Permit, error: PagerTreeError | None
    ) -> None:
        """Record how PagerTree is doing, where that is news."""
        if error is not None and not gate.is_working(error):
            key = account.api_key_encrypted
            await gate.record_failure(connection, account.id, error, api_key_encrypted=key)
        elif permit.is_failing:
            await gate.record_success(connection, account.id)
        if isinstance(error, Rejected) and is_urgency_demanded(error):
            await gate.remember_urgency(connection, account.id)

    async def _enter_all(
        self, connection: Connection, integration_ids: Sequence[UUID], *, lent_s: float
    ) -> list[gate.Permit | None]:
        """Ask for leave for several calls; those of one account get it in their order."""
        permits = {
            integration_id: iter(
                await gate.enter_many(
                    connection,
                    integration_id,
                    calls=calls,
                    calls_per_s=self._settings.pagertree_calls_per_s,
                    burst=self._settings.pagertree_burst_calls,
                    lent_s=lent_s,
                )
            )
            for integration_id, calls in sorted(Counter(integration_ids).items())
        }
        return [next(permits[integration_id]) for integration_id in integration_ids]

    async def _start_all(
        self, connection: Connection, every: Sequence[Held]
    ) -> list[gate.Permit | None]:
        rows = await connection.fetch(
            _START,
            [held.work.id for held in every],
            [held.token for held in every],
            [held.work.page_id for held in every],
            self._settings.operation_lease_s,
            [held.work.integration_id for held in every],
            self._settings.pagertree_calls_per_s,
            float(self._settings.pagertree_burst_calls),
        )
        permits = {
            row["id"]: gate.Permit(
                0.0, row["is_failing"], is_probe=False, names_urgency=row["names_urgency"]
            )
            for row in rows
        }
        return [permits.get(held.work.id) for held in every]

    async def _announce_all(self, connection: Connection, every: Sequence[Held]) -> list[bool]:
        for held in every:
            if held.work.standby_for is not None:
                await standby.tell(connection, held.work.page_id)
        named = [(held.work.id, held.token, held.work.page_id) for held in every]
        marked = await mark_sending(
            connection,
            [(id_, token, page_id) for id_, token, page_id in named if page_id],
            lease_s=self._settings.operation_lease_s,
        )
        return [held.work.id in marked for held in every]


_START: Final = f"""
WITH open AS MATERIALIZED (
    SELECT g.integration_id, g.names_urgency, g.failures > 0 AS is_failing,
        least($7::float8, g.tokens + $6 * extract(epoch FROM now() - g.refilled_at)) AS tokens
    FROM integration_gates g
    WHERE g.integration_id = ANY($5::uuid[]) AND g.open_until IS NULL
      AND (g.probing_until IS NULL OR g.probing_until <= now())
    ORDER BY g.integration_id FOR UPDATE
), entered AS MATERIALIZED (
    SELECT o.* FROM open o
    WHERE o.tokens >= (SELECT count(*) FROM unnest($5::uuid[]) AS a (integration_id)
                       WHERE a.integration_id = o.integration_id)
), free AS MATERIALIZED (
    SELECT id FROM pages
    WHERE id = ANY($3::uuid[]) AND pagertree_alert_id IS NULL AND pagertree_id IS NULL
      AND integration_id IN (SELECT integration_id FROM entered)
    ORDER BY id FOR UPDATE SKIP LOCKED
), {MARKED}, paid AS (
    UPDATE integration_gates g
    SET tokens = e.tokens - m.calls, refilled_at = now()
    FROM entered e, (SELECT integration_id, count(*) AS calls FROM marked GROUP BY 1) m
    WHERE g.integration_id = e.integration_id AND m.integration_id = e.integration_id
)
SELECT m.id, e.names_urgency, e.is_failing FROM marked m JOIN entered e USING (integration_id)
"""  # noqa: S608 - a constant
"""One statement, so one commit, which waits for the disk: the calls go out after it.

It waits for rate limiters, in the order of their ids, and for no page: one that somebody else has
locked, or whose account has too few tokens for all that is asked, is left out.
"""

"""One turn at an operation: ask the gate, decide what to do, do it, record what came of it.

Between any two of these the process may die. What makes that safe is one column:
`may_have_been_sent` is committed before a creating call goes out, so whoever claims the operation
next looks before it sends. No transaction is open while PagerTree is called.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.database.group import Group
from pagersync.database.queue import Outcome, Queue
from pagersync.errors import PagerTreeError, Rejected
from pagersync.http import AsyncClient
from pagersync.integrations import gate
from pagersync.integrations.vault import SecretKeyError, Vault
from pagersync.metrics import OPERATIONS
from pagersync.pagertree.client import Exchange, PagerTree
from pagersync.pagertree.outcome import is_urgency_demanded
from pagersync.pagertree.resources import NewAlert, RemoteAlert
from pagersync.paging import account_end, step
from pagersync.paging.batches import Loaded, load_many, mark_sending
from pagersync.paging.calls import PageContent, call, is_refusal_of_state, new_alert
from pagersync.paging.models import marker_of
from pagersync.paging.record import Ended, ReadBack, record
from pagersync.paging.search import find_marked
from pagersync.paging.step import End, Step, Work
from pagersync.paging.store import Account, load_references
from pagersync.settings import Settings

GATE_S: Final = 1.0
"""How long an operation steps aside when the gate is shut in its face."""

CALLING: Final = (Step.SEND, Step.LOOK, Step.CALL)

log = structlog.get_logger()


@dataclass
class Turn:
    """What one turn works with, and what it has learnt."""

    token: UUID
    work: Work
    account: Account
    permit: gate.Permit
    pagertree: PagerTree
    content: PageContent | None
    exchanges: list[Exchange] = field(default_factory=list)
    remote: RemoteAlert | None = None
    error: PagerTreeError | None = None


class Turns:
    """Takes turns at operations.

    Args:
        engine: of the database.
        queue: the operations.
        http: the process's one HTTP client.
        vault: decrypts API keys.
        settings: limits.
        read_back: told of every alert that PagerTree shows, in the transaction that records it.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        queue: Queue,
        *,
        http: AsyncClient,
        vault: Vault,
        settings: Settings,
        read_back: ReadBack,
    ) -> None:
        self.engine = engine
        self.queue = queue
        self._http = http
        self._vault = vault
        self._settings = settings
        self.read_back = read_back
        self._attempts_max = settings.operation_attempts_max
        self._settle_s = settings.search_settle_s
        self._calling = asyncio.Semaphore(settings.operation_concurrency)
        self._loading = Group(engine, load_many)
        self._permits = Group(engine, self._enter)
        self._announcing = Group(engine, self._mark_sending)
        self._recording = Group(engine, self._record_all)

    async def take(self, token: UUID, operation_id: UUID) -> None:
        """Take one turn at an operation that is held under `token`."""
        loaded = await self._loading.do(operation_id)
        work, account = loaded.work, loaded.account
        if not account.can_be_called:
            await self._record(Ended(token, work, account_end.without_account(work, account)))
            return
        try:
            ended = await self._take(token, loaded)
        except SecretKeyError as error:  # nothing was sent: the API key comes before everything
            ended = Ended(token, work, account_end.without_key(work, error.detail))
        if ended is not None:
            await self._record_or_collide(ended)

    async def _take(self, token: UUID, loaded: Loaded) -> Ended | None:
        work = loaded.work
        if (what := self._next_step(work)) in CALLING:
            async with self._calling:  # so that few are announced at a time
                return await self._call_now(token, loaded)
        return Ended(token, work, step.end_without_call(work, what))

    async def _call_now(self, token: UUID, loaded: Loaded) -> Ended | None:
        work = loaded.work
        if (what := self._next_step(work)) not in CALLING:  # it expired while it waited for others
            return Ended(token, work, step.end_without_call(work, what))
        permit = await self._permits.do(work.integration_id)
        if permit is None:
            aside = Outcome.snooze(work.id, delay_s=GATE_S, reason="PagerTree is given a rest")
            return Ended(token, work, step.unchanged(work, aside))
        return await self._act(self._turn(token, loaded, permit), what)

    def _next_step(self, work: Work) -> Step:
        return step.next_step(work, now=datetime.now(UTC), attempts_max=self._attempts_max)

    async def give_back(self, token: UUID, operation_id: UUID) -> None:
        """End a turn that failed on our side: it counts as an attempt."""
        work = (await self._loading.do(operation_id)).work
        again = Outcome.failed(
            work.id,
            attempt=work.attempt,
            attempts_max=self._attempts_max + 1,  # the next turn buries it, and tells its page
            error="pagersync failed at it: the log says how",
        )
        await self._record(Ended(token, work, step.unchanged(work, again)))

    async def aclose(self) -> None:
        """Break off what is still under way in the database."""
        for group in (self._loading, self._permits, self._announcing, self._recording):
            await group.aclose()

    async def ask_gate(self, connection: Connection, integration_id: UUID) -> gate.Permit | None:
        """Ask for leave to call an integration's PagerTree; None means not now."""
        return await gate.enter(
            connection,
            integration_id,
            calls_per_s=self._settings.pagertree_calls_per_s,
            burst=self._settings.pagertree_burst_calls,
        )

    def open(self, account: Account, record: Callable[[Exchange], None] | None = None) -> PagerTree:
        """Return a client of an account's PagerTree.

        Raises:
            SecretKeyError: the API key was encrypted with another secret key.
        """
        assert account.api_key_encrypted is not None  # noqa: S101 - asked by the caller
        return PagerTree(
            self._http,
            pagertree_url=account.pagertree_url,
            api_key=self._vault.decrypt(account.api_key_encrypted),
            timeout_s=self._settings.pagertree_timeout_s,
            record=record,
        )

    def has_key_of(self, account: Account) -> bool:
        """Tell whether an account's API key can be decrypted; say so in the log if not."""
        try:
            self.open(account)
        except SecretKeyError as error:
            log.warning("an account cannot be asked", integration=account.name, error=error.detail)
            return False
        return True

    def _turn(self, token: UUID, loaded: Loaded, permit: gate.Permit) -> Turn:
        exchanges: list[Exchange] = []
        pagertree = self.open(loaded.account, exchanges.append)
        return Turn(
            token, loaded.work, loaded.account, permit, pagertree, loaded.content, exchanges
        )

    async def _act(self, turn: Turn, what: Step) -> Ended | None:
        """Do what was decided. Trying whether PagerTree is back is no attempt."""
        if turn.permit.wait_s:
            await asyncio.sleep(turn.permit.wait_s)
        acts: dict[Step, Callable[[Turn], Awaitable[End | None]]] = {
            Step.SEND: self._send,
            Step.LOOK: self._look,
            Step.CALL: self._call,
        }
        end = await acts[what](turn)
        if end is None:
            log.warning("an operation was taken over", operation_id=str(turn.work.id))
            return None
        if turn.permit.is_probe and turn.error and not gate.is_working(turn.error):
            end = replace(end, outcome=replace(end.outcome, is_attempt=False))
        if turn.error is not None or turn.permit.is_failing:
            async with raw_connection(self.engine) as connection:
                await self.tell_gate(connection, turn.account, turn.permit, turn.error)
        return Ended(turn.token, turn.work, end, turn.exchanges, turn.remote)

    async def _announce(self, turn: Turn) -> NewAlert | None:
        """Commit that a create is about to go out; None when another has taken over."""
        assert turn.content is not None  # noqa: S101 - pages are not removed before their operations
        must_name = turn.permit.names_urgency
        new = new_alert(turn.content, marker_of(turn.work.id), must_name=must_name)
        return new if await self._announcing.do(turn) else None

    async def _send(self, turn: Turn) -> End | None:
        """Create the alert; nobody has, or it is certain that it did not arrive."""
        work = turn.work
        if turn.permit.is_probe:  # by a call that does no harm if its answer is lost
            try:
                await turn.pagertree.list_teams(rows_max=1)
            except PagerTreeError as error:
                turn.error = error
                return step.after_failed_probe(work, error)
        new = await self._announce(turn)
        if new is None:
            return None
        try:
            turn.remote = await turn.pagertree.create_alert(new)
        except PagerTreeError as error:
            turn.error = error
            if new.urgency is None and isinstance(error, Rejected) and is_urgency_demanded(error):
                return End(Outcome.snooze(work.id, delay_s=0, reason=error.detail))
            return step.after_error(
                work, error, attempts_max=self._attempts_max, settle_s=self._settle_s
            )
        return End(Outcome.done(work.id))

    async def _look(self, turn: Turn) -> End:
        """Search for the alert that may have been created."""
        work = turn.work
        sent_after = work.first_sent_at or work.created_at
        try:
            search = await find_marked(turn.pagertree, marker_of(work.id), sent_after=sent_after)
            turn.remote = search.alert
            if turn.remote is not None:
                return End(Outcome.done(work.id))
            finds_others = None
            if step.is_settled(work, now=datetime.now(UTC), settle_s=self._settle_s):
                finds_others = await self._finds_others(turn, is_whole=search.is_whole)
        except PagerTreeError as error:
            turn.error = error
            return step.after_failed_lookup(work, error, attempts_max=self._attempts_max)
        return step.after_empty_lookup(
            work,
            finds_others=finds_others,
            attempts_max=self._attempts_max,
            settle_s=self._settle_s,
        )

    async def _finds_others(self, turn: Turn, *, is_whole: bool) -> bool:
        """Tell whether the search finds an alert that was certainly created.

        Where its own list was cut off, ours could be among what was not seen: then only what is
        found by its third-party id counts.
        """
        async with raw_connection(self.engine) as connection:
            references = await load_references(connection, turn.work)
        for operation_id, sent_at in references:
            marker = marker_of(operation_id)
            other = await find_marked(turn.pagertree, marker, sent_after=sent_at)
            if other.alert is not None and (is_whole or other.is_filtered):
                return True
        return False

    async def _call(self, turn: Turn) -> End:
        """Make a call that may be made twice: updating, acknowledging, resolving, commenting."""
        work = turn.work
        assert work.target is not None  # noqa: S101 - decided by `next_step`
        try:
            turn.remote = await call(turn.pagertree, work)
        except PagerTreeError as error:
            turn.error = error
            if isinstance(error, Rejected) and is_refusal_of_state(work, error):
                return await self._after_refusal(turn, error)
            return step.after_error(
                work, error, attempts_max=self._attempts_max, settle_s=self._settle_s
            )
        if turn.remote is None:  # an empty answer: how the alert looks now is good to know
            with suppress(PagerTreeError):
                turn.remote = await turn.pagertree.get_alert(work.target)
        return End(Outcome.done(work.id))

    async def _after_refusal(self, turn: Turn, refusal: Rejected) -> End:
        assert turn.work.target is not None  # noqa: S101 - decided by `next_step`
        try:
            turn.remote = await turn.pagertree.get_alert(turn.work.target)
        except PagerTreeError as error:
            return step.after_error(
                turn.work, error, attempts_max=self._attempts_max, settle_s=self._settle_s
            )
        return step.after_refusal(
            turn.work, refusal, turn.remote.status, attempts_max=self._attempts_max
        )

    async def _record_or_collide(self, ended: Ended) -> None:
        try:
            await self._record(ended)
        except asyncpg.UniqueViolationError:
            log.exception("PagerTree answered with another page's alert")
            end = step.after_collision(ended.work)
            await self._record(replace(ended, end=end, remote=None))

    async def _record(self, ended: Ended) -> None:
        """Write everything that a turn came to, if the operation is still ours."""
        outcome = ended.end.outcome
        if await self._recording.do(ended):
            OPERATIONS.labels(kind=ended.work.kind.value, state=outcome.state).inc()

    async def _enter(
        self, connection: Connection, integration_ids: Sequence[UUID]
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
                )
            )
            for integration_id, calls in sorted(Counter(integration_ids).items())
        }
        return [next(permits[integration_id]) for integration_id in integration_ids]

    async def _mark_sending(self, connection: Connection, turns: Sequence[Turn]) -> list[bool]:
        held = [(t.work.id, t.token, t.work.page_id) for t in turns if t.work.page_id]
        lease_s = self._settings.operation_lease_s
        marked = await mark_sending(connection, held, lease_s=lease_s)
        return [turn.work.id in marked for turn in turns]

    async def _record_all(self, connection: Connection, ended: Sequence[Ended]) -> list[bool]:
        return await record(connection, self.queue, self.read_back, ended)

    async def tell_gate(
        self,
        connection: Connection,
        account: Account,
        permit: gate.Permit,
        error: PagerTreeError | None,
    ) -> None:
        """Record how PagerTree is doing, where that is news."""
        if error is not None and not gate.is_working(error):
            key = account.api_key_encrypted
            await gate.record_failure(connection, account.id, error, api_key_encrypted=key)
        elif permit.is_failing:
            await gate.record_success(connection, account.id)
        if isinstance(error, Rejected) and is_urgency_demanded(error):
            await gate.remember_urgency(connection, account.id)

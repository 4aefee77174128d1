"""One turn at an operation: ask the gate, decide what to do, do it, record what came of it.

Between any two of these the process may die. What makes that safe is one column:
`may_have_been_sent` is committed before a creating call goes out, so whoever claims the operation
next looks before it sends. No transaction is open while PagerTree is called.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.database.queue import Outcome, Queue
from pagersync.errors import PagerTreeError, Rejected
from pagersync.http import AsyncClient
from pagersync.integrations import gate
from pagersync.integrations.vault import SecretKeyError, Vault
from pagersync.metrics import OPERATIONS
from pagersync.pagertree.client import ATTEMPTS_MAX, Exchange, PagerTree
from pagersync.pagertree.outcome import is_urgency_demanded
from pagersync.pagertree.resources import NewAlert, RemoteAlert
from pagersync.paging import account_end, standby, step
from pagersync.paging.calls import call, is_refusal_of_state, new_alert
from pagersync.paging.lag_meter import LagMeter
from pagersync.paging.look import READS_MAX, Looking
from pagersync.paging.models import OperationKind, OperationState, marker_of
from pagersync.paging.status import Creation, PageState, see, seen_in
from pagersync.paging.step import End, Step, Work
from pagersync.paging.store import (
    Account,
    Change,
    LockedPage,
    insert_attempts,
    load_account,
    load_content,
    load_work,
    lock_pages,
    mark_sending,
    note_operation,
    write_pages,
)
from pagersync.settings import Settings

ReadBack: TypeAlias = Callable[
    [Connection, UUID, str, LockedPage | None, RemoteAlert], Awaitable[None]
]
"""What becomes of an alert as PagerTree showed it.

Called with the connection, the integration, PagerTree's id of the alert as webhooks name it, the
page it belongs to, and what was shown.
"""

GATE_S: Final = 1.0
"""How long an operation steps aside when the gate is shut in its face."""

CALLING: Final = (Step.SEND, Step.LOOK, Step.CALL)

NEEDS_NONE: Final = gate.Permit(wait_s=0, is_failing=False, is_probe=False, names_urgency=False)

log = structlog.get_logger()


@dataclass
class Turn:
    """What one turn works with, and what it has learnt.

    Attributes:
        new: what is sent, once it is committed that it is about to go out.
    """

    token: UUID
    work: Work
    account: Account
    permit: gate.Permit
    pagertree: PagerTree
    exchanges: list[Exchange] = field(default_factory=list)
    begun_s: float = field(default_factory=monotonic)
    new: NewAlert | None = None
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

    Attributes:
        lags: measures how far the searches of accounts lag behind.
        call_back: called with the seconds after which an operation can be claimed again.
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
        self.lags = LagMeter(engine, settings, self.open)
        self.call_back: Callable[[float], None] = lambda _delay_s: None
        self._attempts_max = settings.operation_attempts_max
        self._looking = Looking(engine, settings)
        self._in_line = asyncio.Lock()  # turns ask the gate in the order in which they begin

    async def take(self, token: UUID, operation_id: UUID) -> None:
        """Take one turn at an operation that is held under `token`."""
        try:
            await self._take(token, operation_id)
        except SecretKeyError as error:  # nothing was sent: the API key comes before everything
            async with raw_connection(self.engine) as connection:
                work = await load_work(connection, operation_id)
            await self._record(token, work, account_end.without_key(work, error.detail))

    async def _take(self, token: UUID, operation_id: UUID) -> None:
        async with self._in_line, raw_connection(self.engine) as connection:
            work = await load_work(connection, operation_id)
            account = await load_account(connection, work.integration_id)
            what = step.next_step(work, now=datetime.now(UTC), attempts_max=self._attempts_max)
            permit: gate.Permit | None = NEEDS_NONE
            if what in CALLING and account.can_be_called:
                permit = await self.ask_gate(connection, work.integration_id)
            turn = self._turn(token, work, account, permit, what)
            is_free = permit is not None and not permit.wait_s and not permit.is_probe
            if turn is not None and what is Step.SEND and is_free:
                turn.new = await self._announce(connection, turn)
        if not account.can_be_called:
            await self._record(token, work, account_end.without_account(work, account))
        elif turn is None:
            aside = Outcome.snooze(work.id, delay_s=GATE_S, reason="PagerTree is given a rest")
            await self._record(token, work, step.unchanged(work, aside))
        else:
            await self._act(turn, what)

    async def give_back(self, token: UUID, operation_id: UUID) -> None:
        """End a turn that failed on our side: it counts as an attempt."""
        async with raw_connection(self.engine) as connection:
            work = await load_work(connection, operation_id)
        again = Outcome.failed(
            work.id,
            attempt=work.attempt,
            attempts_max=self._attempts_max + 1,  # the next turn buries it, and tells its page
            error="pagersync failed at it: the log says how",
        )
        await self._record(token, work, step.unchanged(work, again))

    async def ask_gate(self, connection: Connection, integration_id: UUID) -> gate.Permit | None:
        """Ask for leave to call an integration's PagerTree; None means not now."""
        return await gate.enter(
            connection,
            integration_id,
            calls_per_s=self._settings.pagertree_calls_per_s,
            burst=self._settings.pagertree_burst_calls,
        )

    def open(
        self,
        account: Account,
        record: Callable[[Exchange], None] | None = None,
        *,
        reads_max: int = ATTEMPTS_MAX,
    ) -> PagerTree:
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
            reads_max=reads_max,
        )

    def has_key_of(self, account: Account) -> bool:
        """Tell whether an account's API key can be decrypted; say so in the log if not."""
        try:
            self.open(account)
        except SecretKeyError as error:
            log.warning("an account cannot be asked", integration=account.name, error=error.detail)
            return False
        return True

    def _turn(
        self, token: UUID, work: Work, account: Account, permit: gate.Permit | None, what: Step
    ) -> Turn | None:
        if permit is None or not account.can_be_called:
            return None
        exchanges: list[Exchange] = []
        is_tried_often = what is Step.LOOK and not permit.is_probe
        reads_max = READS_MAX if is_tried_often else ATTEMPTS_MAX
        pagertree = self.open(account, exchanges.append, reads_max=reads_max)
        return Turn(token, work, account, permit, pagertree, exchanges)

    async def _act(self, turn: Turn, what: Step) -> None:
        """Do what was decided, and record it. Trying whether PagerTree is back is no attempt."""
        await asyncio.sleep(turn.permit.wait_s)
        acts: dict[Step, Callable[[Turn], Awaitable[End | None]]] = {
            Step.SEND: self._send,
            Step.LOOK: self._look,
            Step.CALL: self._call,
        }
        end = await acts[what](turn) if what in acts else step.end_without_call(turn.work, what)
        if end is None:
            log.warning("an operation was taken over", operation_id=str(turn.work.id))
            return
        if turn.permit.is_probe and turn.error and not gate.is_working(turn.error):
            end = replace(end, outcome=replace(end.outcome, is_attempt=False))
        if turn.error is not None or turn.permit.is_failing:
            async with raw_connection(self.engine) as connection:
                await self.tell_gate(connection, turn.account, turn.permit, turn.error)
        try:
            await self._record(turn.token, turn.work, end, turn.exchanges, turn.remote)
            if what is Step.SEND and turn.remote is not None:
                self.lags.consider(turn.account, turn.work.id, turn.exchanges[-1].started_at)
        except asyncpg.UniqueViolationError:
            log.exception("PagerTree answered with another page's alert")
            await self._record(
                turn.token, turn.work, step.after_collision(turn.work), turn.exchanges
            )

    async def _announce(self, connection: Connection, turn: Turn) -> NewAlert | None:
        """Commit that a create is about to go out; None when another has taken over."""
        content = await load_content(connection, turn.work.page_id)
        marker = marker_of(turn.work.id)
        new = new_alert(content, marker, must_name=turn.permit.names_urgency)
        lease_s = self._settings.operation_lease_s
        if turn.work.standby_for is not None:
            await standby.tell(connection, turn.work.page_id)
        is_ours = await mark_sending(connection, turn.work.id, turn.token, lease_s=lease_s)
        return new if is_ours else None

    async def _send(self, turn: Turn) -> End | None:
        """Create the alert; nobody has, or it is certain that it did not arrive."""
        work, new = turn.work, turn.new
        if turn.permit.is_probe:  # by a call that does no harm if its answer is lost
            try:
                await turn.pagertree.list_teams(rows_max=1)
            except PagerTreeError as error:
                turn.error = error
                return step.after_failed_probe(work, error)
            async with raw_connection(self.engine) as connection:
                await gate.record_success(connection, turn.account.id)
        if new is None:  # it had to wait for the gate, or was taken over
            async with raw_connection(self.engine) as connection:
                new = await self._announce(connection, turn)
        if new is None:
            return None
        try:
            turn.remote = await turn.pagertree.create_alert(new)
        except PagerTreeError as error:
            turn.error = error
            if new.urgency is None and isinstance(error, Rejected) and is_urgency_demanded(error):
                return End(Outcome.snooze(work.id, delay_s=0, reason=error.detail))
            took_s = turn.exchanges[-1].duration_ms / 1000 if turn.exchanges else 0.0
            return step.after_error(work, error, attempts_max=self._attempts_max, took_s=took_s)
        return End(Outcome.done(work.id))

    async def _look(self, turn: Turn) -> End:
        """Search for the alert that may have been created."""
        delayed_s = monotonic() - turn.begun_s
        end, turn.remote, turn.error = await self._looking.look(
            turn.pagertree, turn.work, delayed_s=delayed_s
        )
        return end

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
            return step.after_error(work, error, attempts_max=self._attempts_max)
        if turn.remote is None:  # an empty answer: how the alert looks now is good to know
            with suppress(PagerTreeError):
                turn.remote = await turn.pagertree.get_alert(work.target)
        return End(Outcome.done(work.id))

    async def _after_refusal(self, turn: Turn, refusal: Rejected) -> End:
        assert turn.work.target is not None  # noqa: S101 - decided by `next_step`
        try:
            turn.remote = await turn.pagertree.get_alert(turn.work.target)
        except PagerTreeError as error:
            return step.after_error(turn.work, error, attempts_max=self._attempts_max)
        return step.after_refusal(
            turn.work, refusal, turn.remote.status, attempts_max=self._attempts_max
        )

    async def _record(
        self,
        token: UUID,
        work: Work,
        end: End,
        exchanges: list[Exchange] | None = None,
        remote: RemoteAlert | None = None,
    ) -> None:
        """Write everything that a turn came to, if the operation is still ours."""
        async with raw_connection(self.engine) as connection, connection.transaction():
            pages = await lock_pages(connection, [work.page_id] if work.page_id else [])
            held = await self.queue.finish(connection, token, [end.outcome])
            await insert_attempts(connection, work, exchanges or [])
            if held:
                await note_operation(connection, work, end)
                page = pages.get(work.page_id) if work.page_id else None
                await self._write(connection, work, end, page, remote)
        if held:
            OPERATIONS.labels(kind=work.kind.value, state=end.outcome.state).inc()
        if held and end.outcome.state == OperationState.QUEUED:
            self.call_back(end.outcome.delay_s)

    async def _write(
        self,
        connection: Connection,
        work: Work,
        end: End,
        page: LockedPage | None,
        remote: RemoteAlert | None,
    ) -> None:
        external_id = work.pagertree_alert_id
        if page is not None:
            now = datetime.now(UTC)
            if work.kind == OperationKind.CREATE_ALERT:
                creation = Creation(OperationState(end.outcome.state), end.may_have_been_sent)
                page = replace(page, creation=creation)
            state = _learnt(page.state, end, remote, now)
            external_id = state.pagertree_alert_id
            change = Change(page, state, now, operation_id=work.id, reason=end.outcome.error)
            await write_pages(connection, [change])
        if remote is not None and external_id is not None:
            await self.read_back(connection, work.integration_id, external_id, page, remote)

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


def _learnt(page: PageState, end: End, remote: RemoteAlert | None, now: datetime) -> PageState:
    state = page if remote is None else see(page, seen_in(remote, now))
    if end.is_unknown and state.unknown_at is None:
        state = replace(state, unknown_at=now)
    return state

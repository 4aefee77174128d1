"""One turn at an operation: ask the gate, decide what to do, do it, record what came of it.

Between any two of these the process may die. What makes that safe is one column:
`may_have_been_sent` is committed before a creating call goes out, so whoever claims the operation
next looks before it sends. No transaction is open while PagerTree is called.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
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
from pagersync.pagertree.client import ATTEMPTS_MAX, Exchange, PagerTree
from pagersync.pagertree.outcome import is_urgency_demanded
from pagersync.pagertree.resources import NewAlert, RemoteAlert
from pagersync.paging import account_end, step
from pagersync.paging.batches import Loaded, load
from pagersync.paging.calls import call, is_refusal_of_state, new_alert
from pagersync.paging.failed_calls import revive_due
from pagersync.paging.lag_meter import LagMeter
from pagersync.paging.look import READS_MAX, Looking
from pagersync.paging.models import OperationKind, OperationState, marker_of
from pagersync.paging.permits import Held, Permits
from pagersync.paging.record import Ended, ReadBack, record
from pagersync.paging.refused import send_to_others_if_refused
from pagersync.paging.standby import why_needless
from pagersync.paging.step import End, Step, Work
from pagersync.paging.store import Account
from pagersync.settings import Settings

GATE_S: Final = 1.0
"""How long an operation steps aside when the gate is shut in its face."""

CALLING: Final = (Step.SEND, Step.LOOK, Step.CALL)

log = structlog.get_logger()


@dataclass
class Turn:
    """What one turn works with, and what it has learnt.

    Attributes:
        is_announced: it is committed already that the alert may have been created.
    """

    held: Held
    loaded: Loaded
    permit: gate.Permit
    pagertree: PagerTree
    exchanges: list[Exchange]
    is_announced: bool
    remote: RemoteAlert | None = None
    error: PagerTreeError | None = None

    @property
    def work(self) -> Work:
        """The operation."""
        return self.loaded.work

    @property
    def account(self) -> Account:
        """Whose PagerTree is called."""
        return self.loaded.account


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
        look_back: the same, where it is then to be looked for.
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
        self.look_back: Callable[[float], None] = lambda _delay_s: None
        self._attempts_max = settings.operation_attempts_max
        self._looking = Looking(engine, settings)
        self._calling = asyncio.Semaphore(settings.operation_concurrency)
        self.permits = Permits(engine, settings)
        self._recording = Group(engine, self._record_all)

    async def take(self, token: UUID, loaded: Loaded) -> None:
        """Take one turn at an operation that is held under `token`."""
        loaded = await self._with_reasons(loaded)
        work, account = loaded.work, loaded.account
        if not account.can_be_called:
            await self._record(Ended(token, work, account_end.without_account(work, account)))
            return
        try:
            ended = await self._take(token, loaded)
        except SecretKeyError as error:  # nothing was sent: the API key comes before everything
            ended = Ended(token, work, account_end.without_key(work, error.detail))
        if ended is not None:
            await self._record_or_collide(account, ended)

    async def _with_reasons(self, loaded: Loaded) -> Loaded:
        """Return an operation with the reason why it is not needed, if its page stands by."""
        work = loaded.work
        if work.kind != OperationKind.CREATE_ALERT or work.standby_for is None:
            return loaded
        assert work.page_id is not None  # noqa: S101 - it is the page that stands by
        async with raw_connection(self.engine) as connection:
            reason = await why_needless(connection, work.page_id)
        return replace(loaded, work=replace(work, needless_because=reason))

    async def _take(self, token: UUID, loaded: Loaded) -> Ended | None:
        work = loaded.work
        if (what := self._next_step(work)) in CALLING:
            # Few are announced at a time. How many are looked for is up to who claims them.
            async with nullcontext() if what is Step.LOOK else self._calling:
                return await self._call_now(token, loaded)
        return Ended(token, work, step.end_without_call(work, what))

    async def _call_now(self, token: UUID, loaded: Loaded) -> Ended | None:
        work = loaded.work
        if (what := self._next_step(work)) not in CALLING:  # it expired while it waited for others
            return Ended(token, work, step.end_without_call(work, what))
        exchanges: list[Exchange] = []
        reads_max = READS_MAX if what is Step.LOOK else ATTEMPTS_MAX
        pagertree = self.open(loaded.account, exchanges.append, reads_max=reads_max)
        held = Held(token, work)
        is_announced = False
        permit = None
        if what is Step.SEND and work.standby_for is None:
            _written(loaded, must_name=False)  # it must be known by now that it can be
            permit = await self.permits.start(held)
            is_announced = permit is not None
        enter = self.permits.give_way if what is Step.LOOK else self.permits.enter
        permit = permit or await enter(work.integration_id)
        if permit is None:
            aside = Outcome.snooze(work.id, delay_s=GATE_S, reason="PagerTree is given a rest")
            return Ended(token, work, step.unchanged(work, aside))
        if permit.is_probe:
            pagertree = self.open(loaded.account, exchanges.append)
        turn = Turn(held, loaded, permit, pagertree, exchanges, is_announced=is_announced)
        return await self._act(turn, what)

    def _next_step(self, work: Work) -> Step:
        return step.next_step(work, now=datetime.now(UTC), attempts_max=self._attempts_max)

    async def give_back(self, token: UUID, operation_id: UUID) -> None:
        """End a turn that failed on our side: it counts as an attempt.

        The operation is read anew: the turn may have noted that it may have been sent.
        """
        async with raw_connection(self.engine) as connection:
            work = (await load(connection, operation_id)).work
        again = Outcome.failed(
            work.id,
            attempt=work.attempt,
            attempts_max=self._attempts_max + 1,  # the next turn buries it, and tells its page
            error="pagersync failed at it: the log says how",
        )
        await self._record(Ended(token, work, step.unchanged(work, again)))

    async def aclose(self) -> None:
        """Break off what is still under way in the database, and listings."""
        await self._looking.aclose()
        await self.permits.aclose()
        await self._recording.aclose()

    async def revive_resolves(self, connection: Connection) -> None:
        """Queue failed resolves whose time has come, for one more try."""
        await revive_due(connection, attempts_max=self._attempts_max)

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
                await self.permits.tell(connection, turn.account, turn.permit, turn.error)
        return Ended(turn.held.token, turn.work, end, turn.exchanges, turn.remote)

    async def _announce(self, turn: Turn) -> NewAlert | None:
        """Commit that a create is about to go out; None when another has taken over."""
        new = _written(turn.loaded, must_name=turn.permit.names_urgency)
        return new if turn.is_announced or await self.permits.announce(turn.held) else None

    async def _send(self, turn: Turn) -> End | None:
        """Create the alert; nobody has, or it is certain that it did not arrive."""
        work = turn.work
        if turn.permit.is_probe:  # by a call that does no harm if its answer is lost
            try:
                await turn.pagertree.list_teams(rows_max=1)
            except PagerTreeError as error:
                turn.error = error
                return step.after_failed_probe(work, error)
            async with raw_connection(self.engine) as connection:
                await gate.record_success(connection, turn.account.id)
        new = await self._announce(turn)
        if new is None:
            return None
        try:
            turn.remote = await turn.pagertree.create_alert(new)
        except PagerTreeError as error:
            turn.error = error
            if new.urgency is None and isinstance(error, Rejected) and is_urgency_demanded(error):
                return End(Outcome.snooze(work.id, delay_s=0, reason=error.detail))
            if (end := await send_to_others_if_refused(self.engine, work, error)) is not None:
                return end
            return await self._after_failed_create(turn, error)
        return End(Outcome.done(work.id))

    async def _after_failed_create(self, turn: Turn, error: PagerTreeError) -> End:
        """Return how a create goes on; what may have arrived is looked for at once."""
        took_s = turn.exchanges[-1].duration_ms / 1000 if turn.exchanges else 0.0
        end = step.after_error(turn.work, error, attempts_max=self._attempts_max, took_s=took_s)
        if not step.may_look_at_once(end, error):
            return end
        end, turn.remote, turn.error = await self._looking.look_at_once(
            turn.pagertree, turn.work, took_s=took_s
        )
        return end

    async def _look(self, turn: Turn) -> End:
        """Search for the alert that may have been created."""
        delayed_s = monotonic() - turn.loaded.at_s
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
            if error.http_status not in (404, 410):
                return step.after_error(turn.work, error, attempts_max=self._attempts_max)
        status = turn.remote.status if turn.remote else None
        return step.after_refusal(turn.work, refusal, status, attempts_max=self._attempts_max)

    async def _record_or_collide(self, account: Account, ended: Ended) -> None:
        try:
            await self._record(ended)
            last = ended.exchanges[-1] if ended.exchanges else None
            is_create = ended.work.kind == OperationKind.CREATE_ALERT
            if is_create and ended.remote is not None and last and last.method == "POST":
                self.lags.consider(account, ended.work.id, last.started_at)
        except asyncpg.UniqueViolationError:
            log.exception("PagerTree answered with another page's alert")
            end = step.after_collision(ended.work)
            await self._record(replace(ended, end=end, remote=None))

    async def _record(self, ended: Ended) -> None:
        """Write everything that a turn came to, if the operation is still ours."""
        outcome = ended.end.outcome
        if await self._recording.do(ended):
            OPERATIONS.labels(kind=ended.work.kind.value, state=outcome.state).inc()
            if outcome.state == OperationState.QUEUED:
                again = self.look_back if ended.end.may_have_been_sent else self.call_back
                again(outcome.delay_s)

    async def _record_all(self, connection: Connection, ended: Sequence[Ended]) -> list[bool]:
        return await record(connection, self.read_back, ended)


def _written(loaded: Loaded, *, must_name: bool) -> NewAlert:
    """Return what is sent to create a page's alert."""
    assert loaded.content is not None  # noqa: S101 - pages are not removed before their operations
    return new_alert(loaded.content, marker_of(loaded.work.id), must_name=must_name)

"""Runs of workflows: their tasks in order, one transaction each, so that a run survives anything.

A task that works in the database is executed in the transaction that records it: it is done once
or not at all. A task that calls somebody is noted as begun before the call; if the process dies
then, nobody knows whether the call arrived, and it is not made again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from pagersync.database.caller import CALLER, SYSTEM, Caller, requester
from pagersync.database.capacity import share_out
from pagersync.database.complaints import complain
from pagersync.database.engine import create_sessions, raw_connection
from pagersync.database.insist import insist
from pagersync.database.lanes import lane_sql
from pagersync.database.queue import Outcome, Queue
from pagersync.database.requester import NOBODY
from pagersync.database.session import driver_connection
from pagersync.database.trouble import is_ill, trouble_of
from pagersync.errors import PagersyncError
from pagersync.fair import by_turns
from pagersync.http import AsyncClient
from pagersync.integrations.vault import Vault
from pagersync.metrics import WORKFLOW_RUNS
from pagersync.secrets.sealing import SecretUnavailableError
from pagersync.settings import Settings
from pagersync.workflows import http_calls, runs
from pagersync.workflows.context import NotYetError, TaskContext, held_context
from pagersync.workflows.held import HeldRun, hold, write
from pagersync.workflows.http_calls import Call
from pagersync.workflows.http_secrets import is_call
from pagersync.workflows.models import IS_NEEDED, RunStatus, TaskRunStatus, WorkflowTaskRun
from pagersync.workflows.rendering import in_turn, render_call, shown_params, variables_of
from pagersync.workflows.task_texts import render_task
from pagersync.workflows.tasks import EXECUTE
from pagersync.workflows.template_remarks import Remarks

INTERRUPTED: Final = (
    "it had begun when its process ended, so it may have been done: it is not done again"
)

PUT_OFF_S: Final = 2.0
"""How long a run waits for what is not there yet."""

log = structlog.get_logger()


LANE: Final = lane_sql(IS_NEEDED)


def places(settings: Settings) -> int:
    """Return how many runs one process executes at the same time, of all requesters together.

    One requester alone has the half of them, so that there is room for others.
    """
    return 2 * settings.workflow_concurrency


def runs_queue(settings: Settings) -> Queue:
    """Return the queue of workflow runs."""
    return Queue(
        "workflow_runs",
        columns=("requester", "workflow_id"),
        attempts_max=settings.workflow_attempts_max,
        lease_s=settings.workflow_lease_s,
        lane=LANE,
        leaves_room=True,
    )


class Engine:
    """Executes runs.

    Args:
        engine: of the database.
        queue: the runs.
        http: for addresses that users choose.
        settings: limits.
        vault: decrypts what calls log in with; without one, calls that have a secret fail.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        queue: Queue,
        *,
        http: AsyncClient,
        settings: Settings,
        vault: Vault | None = None,
    ) -> None:
        self._engine = engine
        self._sessions = create_sessions(engine)
        self._queue = queue
        self._http = http
        self._settings = settings
        self._vault = vault
        # So that runs that wait for each other's rows leave connections to the sender.
        at_once = share_out(settings.database_connections_max).runs
        self._at_once = by_turns(at_once, of_one=max(1, at_once - 1))

    async def take_row(self, token: UUID, row: asyncpg.Record) -> None:
        """Execute a claimed run for whoever caused it.

        What follows from a run that nobody asked for is charged to its workflow: one that makes
        much of each webhook takes turns with the others.
        """
        await self.take(token, row["id"], row["requester"] or f"workflow {row['workflow_id']}")

    async def take(self, token: UUID, run_id: UUID, requester: str = NOBODY) -> None:
        """Execute a run that is held under `token`, task by task, until it ends."""
        CALLER.set(
            Caller(
                kind=SYSTEM, id=run_id, name="workflow_run", requester=requester, is_audited=True
            )
        )
        try:
            while await self._step(token, run_id):
                pass
        except NotYetError as reason:
            await self._put_off(token, run_id, str(reason))
        except Exception as error:
            if is_ill(error):  # the run is not to blame, and loses no attempt
                complain("a workflow run was interrupted", error)
                await insist(partial(self._put_off, token, run_id, str(trouble_of(error))))
                return
            log.exception("a workflow run was interrupted", run_id=str(run_id))
            await insist(partial(self._give_back, token, run_id, repr(error)))

    async def _step(self, token: UUID, run_id: UUID) -> bool:
        """Execute one task, or end the run; tell whether it goes on."""
        try:
            return await self._execute_next(token, run_id, is_careful=False)
        except _UndoneError:
            return await self._execute_next(token, run_id, is_careful=True)

    async def _execute_next(self, token: UUID, run_id: UUID, *, is_careful: bool) -> bool:
        """Execute the task that a run is at, in one transaction with what is written of the run.

        Args:
            token: that the run is held under.
            run_id: the run.
            is_careful: whether a task that fails takes back only what it did itself. That costs two
                round trips, so it is done only when a task has failed.
        """
        calling: tuple[WorkflowTaskRun, Call] | None = None
        ended: str | None
        async with self._at_once.turn(requester()), self._sessions.begin() as session:
            held = await self._hold(session, token, run_id)
            if held is None:
                log.warning("a workflow run was taken over", run_id=str(run_id))
                return False
            if reason := await runs.begin(session, held):
                ended = await self._end(session, held, "canceled", reason)
            else:
                if task := held.next_task():
                    calling = await self._execute(session, held, task, is_careful=is_careful)
                ended = await self._write(session, held, calling and calling[1])
        if calling is not None:
            ended = await self._call(token, run_id, *calling)
        if ended is not None:
            WORKFLOW_RUNS.labels(status="completed" if ended == "done" else ended).inc()
        return ended is None

    async def _hold(self, session: AsyncSession, token: UUID, run_id: UUID) -> HeldRun | None:
        """Lock a run that is still held under `token`, and hold it for longer."""
        connection = await driver_connection(session)
        return await hold(connection, token, run_id, lease_s=self._settings.workflow_lease_s)

    async def _execute(
        self, session: AsyncSession, held: HeldRun, task: WorkflowTaskRun, *, is_careful: bool
    ) -> tuple[WorkflowTaskRun, Call] | None:
        """Execute a task and record it; return what a calling task is about to call."""
        held.note(task)
        if task.status == TaskRunStatus.STARTED:
            runs.fail(held, task, INTERRUPTED)
            return None
        context = held_context(session, held)
        task.started_at = datetime.now(UTC)
        try:
            params = await self._render(context, task)
            if isinstance(params, Call):
                task.status = TaskRunStatus.STARTED
                task.notes = context.remarks
                return task, params
            async with _undoing(session, is_careful=is_careful):
                result = await EXECUTE[task.task_params["task_type"]](context, params)
        except PagersyncError as error:
            goes_on = isinstance(error, SecretUnavailableError)
            runs.fail(held, task, error.detail, goes_on=goes_on)
        else:
            runs.complete(task, result)
        task.notes = context.remarks
        return None

    async def _render(self, context: TaskContext, task: WorkflowTaskRun) -> BaseModel | Call:
        """Return a task's parameters, rendered and made to fit, and keep them on it."""
        variables = await variables_of(context, self._settings, task.task_params)
        if is_call(task.task_params):
            call, task.rendered_params = await render_call(
                context, self._vault, task.task_params, variables
            )
            return call
        remarks = Remarks(notes=context.notes, empty=context.empty)
        params, rendered = await in_turn(render_task, task.task_params, variables, remarks)
        task.rendered_params = shown_params(params, rendered)
        return params

    async def _call(
        self, token: UUID, run_id: UUID, begun: WorkflowTaskRun, call: Call
    ) -> str | None:
        """Call, with no transaction open, and record what came of it; return the run's end."""
        params = call.params
        result, error = await http_calls.make(self._http, params, self._settings, call.secrets)
        async with self._at_once.turn(requester()), self._sessions.begin() as session:
            held = await self._hold(session, token, run_id)
            if held is None:
                return None  # whoever holds it now has seen that this task had begun
            task = next(each for each in held.tasks if each.id == begun.id)
            held.note(task)
            if error is not None:
                task.result = result.result or None
                runs.fail(held, task, error)
            else:
                runs.complete(task, result)
                if params.post_to_incident_timeline:
                    context = held_context(session, held)
                    await http_calls.tell_timeline(context, params, result)
            return await self._write(session, held, waits_for_disk=True)

    async def _write(
        self,
        session: AsyncSession,
        held: HeldRun,
        calling: Call | None = None,
        *,
        waits_for_disk: bool = False,
    ) -> str | None:
        """Write what a turn did; a run of which no task is left ends with it: return how."""
        if held.next_task() is None:
            state, message = runs.outcome(held.tasks)
            return await self._end(session, held, state, message, waits_for_disk=waits_for_disk)
        more_s = 0.0
        if calling is not None:  # that it begins must be on the disk before the call goes out
            more_s, waits_for_disk = http_calls.longest_s(calling.params, self._settings), True
        lease_s = self._settings.workflow_lease_s + more_s
        connection = await driver_connection(session)
        await write(connection, held, lease_s=lease_s, waits_for_disk=waits_for_disk)
        return None

    async def _end(
        self,
        session: AsyncSession,
        held: HeldRun,
        state: str,
        message: str | None,
        *,
        waits_for_disk: bool = False,
    ) -> str:
        run = held.run
        run.status_message = message
        if state in (RunStatus.FAILED, RunStatus.COMPLETED_WITH_ERRORS):
            await runs.tell_incident(session, run, held.workflow)
        await runs.repeat(session, run, held.workflow, was_canceled=state == "canceled")
        await runs.publish_end(session, run, state)
        connection = await driver_connection(session)
        await write(connection, held, end=state, waits_for_disk=waits_for_disk)
        return state

    async def _put_off(self, token: UUID, run_id: UUID, reason: str) -> None:
        """Let a run wait a little; that is no attempt."""
        outcome = Outcome.snooze(run_id, delay_s=PUT_OFF_S, reason=reason)
        async with raw_connection(self._engine) as connection:
            await self._queue.finish(connection, token, [outcome])

    async def _give_back(self, token: UUID, run_id: UUID, error: str) -> None:
        """End a turn that failed on our side: the run goes on later, or is dead in the end."""
        async with raw_connection(self._engine) as connection:
            attempt = await connection.fetchval(_ATTEMPT, run_id)
            outcome = Outcome.failed(
                run_id, attempt=attempt, attempts_max=self._queue.attempts_max, error=error
            )
            await self._queue.finish(connection, token, [outcome])


class _UndoneError(Exception):
    """A task has failed, and all of its transaction is taken back: it is executed once more.

    Then only what the task did is taken back, and the failure is kept.
    """


@asynccontextmanager
async def _undoing(session: AsyncSession, *, is_careful: bool) -> AsyncIterator[None]:
    """Take back what a task does if it fails."""
    if is_careful:
        async with session.begin_nested():
            yield
        return
    try:
        yield
    except PagersyncError as error:
        raise _UndoneError from error


_ATTEMPT = "SELECT attempt FROM workflow_runs WHERE id = $1"

"""A run tried again by a person: it goes on where it failed."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.notify import notify
from pagersync.errors import ConflictError
from pagersync.workflows.models import RunStatus, TaskRunStatus, WorkflowRun, WorkflowTaskRun

AGAIN: Final = (RunStatus.FAILED, RunStatus.CANCELED, RunStatus.COMPLETED_WITH_ERRORS)


async def retry_run(session: AsyncSession, run: WorkflowRun, *, requested_by: str) -> WorkflowRun:
    """Queue a run once more that failed, was canceled, or completed with errors.

    Tasks that are done stay done; those that failed or were skipped are executed. That includes a
    call that may have been made: whoever tries again vouches for it. The run is locked.

    Raises:
        ConflictError: it is on its way, or completed.
    """
    if run.status not in AGAIN:
        raise ConflictError(f"the run is {run.status}: there is nothing to try again")
    await session.execute(
        update(WorkflowTaskRun)
        .where(
            WorkflowTaskRun.run_id == run.id,
            WorkflowTaskRun.status.in_([TaskRunStatus.FAILED, TaskRunStatus.SKIPPED]),
        )
        .values(
            status=TaskRunStatus.QUEUED,
            error=None,
            result=None,
            started_at=None,
            finished_at=None,
            duration_ms=None,
        )
    )
    run.state = "queued"
    run.attempt = 0
    run.run_at = datetime.now(UTC)
    run.finished_at = None
    run.last_error = None
    run.status_message = f"tried again by {requested_by}"
    await session.flush()
    await notify(session, "workflow_runs")
    await session.refresh(run)
    return run

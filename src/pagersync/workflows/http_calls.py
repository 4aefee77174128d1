"""What the engine needs of the task `http_client`: the call, how long it may take, its trace."""

from dataclasses import asdict, dataclass

from pagersync.errors import PagersyncError
from pagersync.http import AsyncClient
from pagersync.incidents.timeline import add_entry
from pagersync.secrets.references import CallSecrets
from pagersync.settings import Settings
from pagersync.workflows.context import TaskContext, TaskResult
from pagersync.workflows.http_task import (
    RETRY_AFTER_S_MAX,
    HttpClientParams,
    UnexpectedStatusError,
    call,
)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is about to be made, and its secrets: both are nowhere but in memory."""

    params: HttpClientParams
    secrets: CallSecrets


def longest_s(params: HttpClientParams, settings: Settings) -> float:
    """Return the longest that a call with its retries can take, in seconds."""
    pause_s = max(params.retry_wait_time, RETRY_AFTER_S_MAX)
    timeout_s = settings.http_client_timeout_s
    return timeout_s + params.retry_count * (pause_s + timeout_s)


async def make(
    client: AsyncClient, params: HttpClientParams, settings: Settings, secrets: CallSecrets
) -> tuple[TaskResult, str | None]:
    """Make a call; return what was answered, and what was wrong, if something was."""
    try:
        answer = await call(
            client,
            params,
            hosts=settings.http_client_hosts.split(","),
            timeout_s=settings.http_client_timeout_s,
            secrets=secrets,
        )
    except UnexpectedStatusError as error:
        return TaskResult(asdict(error.result)), secrets.hide(error.detail)
    except PagersyncError as error:
        return TaskResult(), secrets.hide(error.detail)
    return TaskResult(asdict(answer)), None


async def tell_timeline(context: TaskContext, params: HttpClientParams, result: TaskResult) -> None:
    """Put a call on the timeline of the incident that a run is about, if it is about one."""
    if context.incident_id is None:
        return
    message = params.event_message or f"{params.method} answered {result.result['status']}"
    link = f" {params.event_url}" if params.event_url else ""
    await add_entry(context.session, await context.incident(), f"{message}{link}", context.cause)

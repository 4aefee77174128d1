"""The application: the one place that knows every part."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any, Final, TypedDict

import structlog
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp

from pagersync import docs, doctor_routes, health
from pagersync.access import audit_routes as audit
from pagersync.access import key_routes as api_keys
from pagersync.access.authentication import Authentication
from pagersync.access.guard import operation_id
from pagersync.access.idempotency import add_replay_handler
from pagersync.alerts import action_routes as alert_actions
from pagersync.alerts import event_routes as alert_events
from pagersync.alerts import incident_routes as incident_alerts
from pagersync.alerts import routes as alerts
from pagersync.alerts.attached import resolve_alerts
from pagersync.alerts.views import alerts_of
from pagersync.answer_headers import AnswerHeaders
from pagersync.body_limit import BodyLimit
from pagersync.costly import CostlyWork
from pagersync.database.disk import DiskWatch
from pagersync.database.engine import Sessions, create_engines, create_sessions
from pagersync.database.notify import Listener
from pagersync.error_handlers import add_error_handlers
from pagersync.events.webhook_types import EVENT_TYPES
from pagersync.http import AsyncClient
from pagersync.inbox import routes as inbox
from pagersync.inbox.door import Door
from pagersync.inbox.endpoint import WebhookEndpoint
from pagersync.inbox.refusals import RefusalCounter
from pagersync.inbox.writer import InboxWriter
from pagersync.incidents import action_routes as incident_actions
from pagersync.incidents import event_routes as incident_events
from pagersync.incidents import routes as incidents
from pagersync.incidents import severity_routes as severities
from pagersync.incidents.hooks import HOOKS
from pagersync.integrations import directory_routes as directory
from pagersync.integrations import routes as integrations
from pagersync.integrations import team_routes as teams
from pagersync.integrations import user_routes as users
from pagersync.integrations.secret_key import open_any_vault
from pagersync.integrations.vault import Vault
from pagersync.log import configure_logging
from pagersync.openapi.document import describe_api
from pagersync.openapi.events import Events
from pagersync.ops_port import OpsPort
from pagersync.paging import operation_routes as operations
from pagersync.paging import routes as pages
from pagersync.request_id import RequestId
from pagersync.secrets import routes as secrets
from pagersync.settings import Settings
from pagersync.trailing_slash import TrailingSlash
from pagersync.webhooks import delivery_routes as webhook_deliveries
from pagersync.webhooks import routes as webhook_endpoints
from pagersync.webhooks.payload import WebhookBody
from pagersync.webhooks.signing import SIGNATURE_HEADER
from pagersync.worker import create_clients, run_workers
from pagersync.workflows import account_routes as accounts
from pagersync.workflows import connect_routes as connect
from pagersync.workflows import event_routes as domain_events
from pagersync.workflows import preview_routes as previews
from pagersync.workflows import routes as workflows
from pagersync.workflows import run_routes as workflow_runs
from pagersync.workflows import task_routes as workflow_tasks
from pagersync.workflows import trace_routes as traces
from pagersync.workflows.restart import notes_on_restart

WORKERS_STOP_S = 2

TELEMETRY_OFF: Any = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
}
"""FastAPI's own telemetry costs 12 to 23 % of a request even with nobody to send it to."""

log = structlog.get_logger()


PARTS: Final = (
    alerts,
    alert_actions,
    alert_events,
    incidents,
    incident_actions,
    incident_alerts,
    incident_events,
    severities,
    pages,
    operations,
    domain_events,
    traces,
    previews,
    workflows,
    workflow_tasks,
    workflow_runs,
    inbox,
    connect,
    integrations,
    accounts,
    teams,
    users,
    directory,
    webhook_endpoints,
    webhook_deliveries,
    api_keys,
    secrets,
    audit,
    doctor_routes,
    health,
    docs,
)
"""Everything that has routes, in the order of the API's document."""

incidents.SHAPE.loaders["alerts"] = alerts_of
HOOKS.resolve_alerts = resolve_alerts
HOOKS.notes_on_restart = notes_on_restart


class State(TypedDict):
    """What every request finds in `request.state`."""

    settings: Settings
    engine: AsyncEngine
    sessions: Sessions
    vault: Vault
    http: AsyncClient
    door: Door
    inbox: InboxWriter
    refusals: RefusalCounter
    costly: CostlyWork
    disk: DiskWatch
    health: health.Health


WEBHOOKS_OUT: Final = Events(
    types={each.name: each.description for each in EVENT_TYPES},
    body=WebhookBody,
    headers={
        SIGNATURE_HEADER: "`t=SECONDS,v1=HEX`: HMAC-SHA256 of the seconds and the body.",
        "webhook-id": "The event's id, the same in every attempt.",
        "webhook-timestamp": "When this attempt was made, in seconds since 1970.",
        "webhook-signature": "As Standard Webhooks has it.",
    },
)


def create_app(settings: Settings, *, with_workers: bool = True) -> FastAPI:
    """Return the application for a database that `settings.database_url` names.

    Args:
        settings: nothing else is read from the environment.
        with_workers: whether this process also applies what it receives.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with _run(settings, with_workers=with_workers) as state:
            yield state

    app = FastAPI(
        title="pagersync",
        version=version("pagersync"),
        summary="Keeps PagerTree and your incident process in step.",
        lifespan=lifespan,
        telemetry=TELEMETRY_OFF,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    add_error_handlers(app)
    add_replay_handler(app)
    for part in PARTS:
        app.include_router(part.router)
    describe_api(app, events=WEBHOOKS_OUT)
    app.add_middleware(BodyLimit, bytes_max=settings.body_bytes_max)
    app.add_middleware(Authentication)
    return app


def create_service(settings: Settings, *, with_workers: bool = True) -> RequestId:
    """Return what is served: the webhook's endpoint, and the application behind it.

    In front of both stand what every answer has: its id, and headers for browsers and caches. No
    answer is a redirect.
    """
    app = create_app(settings, with_workers=with_workers)
    served: ASGIApp = WebhookEndpoint(app, body_bytes_max=settings.body_bytes_max)
    if settings.ops_port is not None:
        served = OpsPort(served, ops_port=settings.ops_port)
    is_https = settings.base_url.startswith("https://")
    return RequestId(TrailingSlash(AnswerHeaders(served, is_https=is_https)))


def create_service_from_environment() -> RequestId:
    """Return the service for `PAGERSYNC_*`: what uvicorn's processes call."""
    settings = Settings()
    configure_logging(settings)
    return create_service(settings)


def create_api_from_environment() -> RequestId:
    """Return the service without workers, for `serve --no-workers`."""
    settings = Settings()
    configure_logging(settings)
    return create_service(settings, with_workers=False)


@asynccontextmanager
async def _run(settings: Settings, *, with_workers: bool) -> AsyncIterator[State]:
    engines = create_engines(settings)
    listener = Listener(engines.paging)
    clients = create_clients(settings)
    vault, disk = await open_any_vault(engines.paging, settings), DiskWatch(settings)
    state = State(
        settings=settings,
        engine=engines.interactive,
        sessions=create_sessions(engines.interactive),
        vault=vault,
        http=clients.pagertree,
        door=Door(engines.paging, listener.subscribe("integrations")),
        inbox=InboxWriter(engines.paging, settings),
        refusals=RefusalCounter(engines.background),
        disk=disk,
        health=health.Health(engines.interactive, vault, disk),
        costly=CostlyWork(
            cpu_s=settings.preview_cpu_s,
            cpu_s_per_minute=settings.preview_cpu_s_per_minute,
        ),
    )
    stop = asyncio.Event()
    background = [
        listener.run(),
        state["door"].run(),
        state["inbox"].run(),
        state["refusals"].run(),
    ]
    tasks = [_start(coroutine) for coroutine in background]
    workers = None
    if with_workers:
        workers = _start(
            run_workers(engines, listener, settings, stop, clients=clients, vault=state["vault"])
        )
    try:
        yield state
    finally:
        stop.set()
        if workers is not None:
            await asyncio.wait([workers], timeout=WORKERS_STOP_S)
            tasks.append(workers)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await state["costly"].aclose()
        await clients.aclose()
        await engines.dispose()


def _start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(coroutine)
    task.add_done_callback(_complain)
    return task


def _complain(task: asyncio.Task[None]) -> None:
    """Say that a background task died: nothing else would."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("a background task died", task=repr(task.get_coro()), exc_info=error)

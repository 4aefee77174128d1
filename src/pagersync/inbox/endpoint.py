"""`POST /webhooks/pagertree/{integration_id}`: let in, keep, answer.

A plain ASGI callable in front of FastAPI, because this is the one path where every microsecond
counts; `docs.py` describes it in the API's document all the same.
"""

import asyncio
import hashlib
from functools import cache
from typing import Final, TypeAlias
from uuid import UUID

import structlog
from prometheus_client import Counter
from starlette.types import ASGIApp, Receive, Scope, Send

from pagersync.database.disk import DiskWatch
from pagersync.database.trouble import AWAY, trouble_of
from pagersync.errors import (
    BusyError,
    ForbiddenError,
    InvalidError,
    MethodNotAllowedError,
    PagersyncError,
    TooLargeError,
    UnauthorizedError,
    out_of_memory,
)
from pagersync.events.publish import NO_INTEGRATION
from pagersync.inbox.credentials import presented_secrets
from pagersync.inbox.door import Door, Refusal
from pagersync.inbox.models import DeliveryState
from pagersync.inbox.refusals import RefusalCounter
from pagersync.inbox.writer import RETRY_AFTER_S, Arrival, InboxWriter, Stored
from pagersync.jsonapi import MEDIA_TYPE, error_body, error_headers, internal_error, to_error
from pagersync.log import warn_rarely
from pagersync.metrics import WEBHOOK_REQUESTS
from pagersync.pagertree.payloads import UnreadableError, read_webhook
from pagersync.refused import note_refused

PREFIX: Final = "/webhooks/pagertree/"

UNAUTHORIZED: Final = (
    "the webhook secret is missing or wrong: PagerTree must call the URL that pagersync gave, "
    "with its ?secret=, or send the secret as the password of basic authentication"
)
DISABLED: Final = "this integration is disabled in pagersync: enable it to receive alerts again"

log = structlog.get_logger()


class Disconnected(Exception):
    """The sender closed the connection before the body was complete."""


Answer: TypeAlias = tuple[int, bytes, list[tuple[bytes, bytes]]]


class WebhookEndpoint:
    """ASGI application that answers webhook requests itself and passes on everything else.

    What it needs (`door`, `inbox`, `refusals`) comes from the lifespan's state.
    """

    def __init__(self, app: ASGIApp, *, body_bytes_max: int) -> None:
        self._app = app
        self._body_bytes_max = body_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        # Without an id it is answered as one that is not known.
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        try:
            status, body, headers = await self._answer(scope, receive)
        except PagersyncError as error:
            status, body, headers = _refusal(error)
        except Disconnected:
            return
        except asyncio.CancelledError:  # the service ends before the request does
            await _send(send, *_stopping())
            raise
        except MemoryError:
            status, body, headers = _refusal(out_of_memory())
        except Exception:
            log.exception("a webhook request failed")
            status, body, headers = 500, internal_error(), []
        _counter(status).inc()
        await _send(send, status, body, headers)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        if scope["method"] != "POST":
            raise MethodNotAllowedError("a webhook is sent by POST", allowed=("POST",))
        integration_id = await self._let_in(scope)
        disk: DiskWatch = scope["state"]["disk"]
        disk.check(pages=True)
        try:
            body = await _read_body(scope, receive, self._body_bytes_max)
        except TooLargeError:
            _refusals(scope).count(integration_id, Refusal.BODY_TOO_LARGE)
            raise
        arrival = examine(integration_id, body)
        inbox: InboxWriter = scope["state"]["inbox"]
        stored = await inbox.store(arrival)
        if arrival.state == DeliveryState.INVALID:
            raise InvalidError(f"{arrival.error}; kept as delivery {stored.delivery_id}")
        return 202, _accepted(stored), []

    async def _let_in(self, scope: Scope) -> UUID:
        """Return the integration, or refuse.

        Raises:
            UnauthorizedError: no such integration, or not its secret: nobody learns which.
            ForbiddenError: it is disabled, and the secret is right.
            BusyError: the database is away, and would have to be asked.
        """
        integration_id = _integration_id(scope["path"])
        authorization = next((v for k, v in scope["headers"] if k == b"authorization"), None)
        door: Door = scope["state"]["door"]
        presented = presented_secrets(scope["query_string"], authorization)
        try:
            refusal = await door.check(integration_id, presented)
        except Exception as error:
            trouble = trouble_of(error)
            if trouble is None:
                log.exception("integrations could not be read")
            else:
                warn_rarely("integrations could not be read", reason=trouble)
            raise BusyError(trouble or AWAY, retry_after_s=RETRY_AFTER_S) from error
        if refusal is None:
            return integration_id
        _refusals(scope).count(integration_id, refusal)
        client = scope.get("client")
        note_refused(refusal.value, address=client[0] if client else None)
        if refusal is Refusal.INTEGRATION_DISABLED:
            raise ForbiddenError(DISABLED)
        raise UnauthorizedError(UNAUTHORIZED)


def _refusals(scope: Scope) -> RefusalCounter:
    counter: RefusalCounter = scope["state"]["refusals"]
    return counter


def _refusal(error: PagersyncError) -> Answer:
    headers = [(key.encode(), value.encode()) for key, value in error_headers(error).items()]
    return error.status, error_body(to_error(error)), headers


def _stopping() -> Answer:
    return _refusal(BusyError("pagersync is stopping", retry_after_s=RETRY_AFTER_S))


@cache
def _counter(status: int) -> Counter:
    return WEBHOOK_REQUESTS.labels(str(status))


def _integration_id(path: str) -> UUID:
    try:
        return UUID(path.removeprefix(PREFIX))
    except ValueError:
        return NO_INTEGRATION


async def _read_body(scope: Scope, receive: Receive, bytes_max: int) -> bytes:
    """Return the whole body.

    Raises:
        TooLargeError: it is, or says that it will be, over `bytes_max`.
        Disconnected: it never became complete.
    """
    declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
    if declared.isdigit() and int(declared) > bytes_max:
        raise TooLargeError(f"a webhook body may have at most {bytes_max} bytes")
    chunks: list[bytes] = []
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        total += len(chunks[-1])
        if total > bytes_max:
            raise TooLargeError(f"a webhook body may have at most {bytes_max} bytes")
        if not message.get("more_body", False):
            return b"".join(chunks)


def examine(integration_id: UUID, body: bytes) -> Arrival:
    """Decide what becomes of a body: to be applied, ignored, or kept as invalid. Pure."""
    event_type: str | None = None
    alert_id: str | None = None
    error: str | None = None
    try:
        webhook = read_webhook(body)
        event_type, alert_id = webhook.event_type, webhook.alert_id
        state = DeliveryState.QUEUED if alert_id is not None else DeliveryState.IGNORED
    except UnreadableError as unreadable:
        state, event_type, error = DeliveryState.INVALID, unreadable.event_type, str(unreadable)
    return Arrival(
        integration_id=integration_id,
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        event_type=event_type,
        pagertree_alert_id=alert_id,
        state=state.value,
        error=error,
    )


def _accepted(stored: Stored) -> bytes:
    created = "true" if stored.created else "false"
    return (
        f'{{"data": {{"id": "{stored.delivery_id}", "type": "deliveries"}}, '
        f'"meta": {{"created": {created}}}}}'
    ).encode()


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    every = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body})

"""The sender: deliveries claimed, sent, and recorded; several at a time, of many endpoints.

The body is made and committed before the first attempt. A process that dies between a call and its
record leaves a delivery that is sent again, with the same id and the same body: at least once, and
receivers can tell.
"""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from pagersync.database.batch import LeaseLostError
from pagersync.database.engine import create_sessions, raw_connection
from pagersync.database.insist import insist
from pagersync.database.queue import Outcome, Queue
from pagersync.database.session import driver_connection
from pagersync.http import AsyncClient
from pagersync.integrations.vault import Vault
from pagersync.metrics import WEBHOOK_ATTEMPTS
from pagersync.outbound import OutboundError, parse_url, send
from pagersync.secrets.references import CallSecrets
from pagersync.secrets.sealing import SecretUnavailableError
from pagersync.settings import Settings
from pagersync.webhooks import store
from pagersync.webhooks.endpoint_secrets import check_headers, opened
from pagersync.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookState
from pagersync.webhooks.payload import build_payload
from pagersync.webhooks.retry import ATTEMPTS_MAX, Answer, after
from pagersync.webhooks.service import custom_headers, signing_secrets
from pagersync.webhooks.signing import signed_headers

LEASE_S: Final = 120.0
"""Longer than a call can take, by far."""

ANSWER_BYTES_MAX: Final = 1024
"""Nobody reads what endpoints answer; their status counts."""

log = structlog.get_logger()


def webhooks_queue() -> Queue:
    """Return the queue of deliveries to endpoints."""
    return Queue(
        "webhook_deliveries",
        columns=(),
        attempts_max=ATTEMPTS_MAX,
        lease_s=LEASE_S,
        where=store.HAS_TURN,
    )


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent, and where."""

    delivery_id: UUID
    endpoint_id: UUID
    event_id: UUID
    attempt: int
    url: str
    headers: dict[str, str]
    secrets: list[str]
    body: bytes
    hidden: CallSecrets


class WebhookSender:
    """Sends deliveries.

    Args:
        engine: of the database.
        queue: the deliveries.
        http: for addresses that users choose.
        vault: of the secrets.
        settings: limits.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        queue: Queue,
        *,
        http: AsyncClient,
        vault: Vault,
        settings: Settings,
    ) -> None:
        self.engine = engine
        self.queue = queue
        self._sessions = create_sessions(engine)
        self._http = http
        self._vault = vault
        self._timeout_s = settings.webhook_timeout_s

    async def take(self, token: UUID, delivery_id: UUID) -> None:
        """Send a delivery that is held under `token`, once, and record what came of it."""
        try:
            call = await self._prepare(token, delivery_id)
            if call is not None:
                await self._record(token, call, await self._call(call))
        except SecretUnavailableError as error:
            log.warning("a webhook delivery needs a secret", error=error.detail)
            await self._give_back(token, delivery_id, error.detail)
        except LeaseLostError:
            log.warning("a webhook delivery was taken over", delivery_id=str(delivery_id))
        except Exception as error:
            log.exception("a webhook delivery was interrupted", delivery_id=str(delivery_id))
            await insist(partial(self._give_back, token, delivery_id, repr(error)))

    async def _prepare(self, token: UUID, delivery_id: UUID) -> Call | None:
        """Make the body if there is none, and commit it; None if nothing is to be sent."""
        async with self._sessions.begin() as session:
            delivery = await session.scalar(
                select(WebhookDelivery).where(
                    WebhookDelivery.id == delivery_id, WebhookDelivery.lease_token == token
                )
            )
            if delivery is None:
                raise LeaseLostError
            if delivery.payload is None:
                delivery.payload = await build_payload(session, delivery)
            endpoint = await _endpoint_of(session, delivery)
            if not endpoint.enabled:  # unless it is being enabled at this very moment
                endpoint = await _endpoint_of(session, delivery, lock=True)
            if not endpoint.enabled:
                await self._put_away(session, token, delivery, endpoint)
                return None
            saved = custom_headers(self._vault, endpoint)
            url, headers, hidden = await opened(session, self._vault, endpoint.url, saved)
            return Call(
                delivery_id=delivery.id,
                endpoint_id=endpoint.id,
                event_id=delivery.event_id,
                attempt=delivery.attempt,
                url=url,
                headers=headers,
                secrets=await signing_secrets(session, self._vault, endpoint),
                body=delivery.payload.encode(),
                hidden=hidden,
            )

    async def _put_away(
        self,
        session: AsyncSession,
        token: UUID,
        delivery: WebhookDelivery,
        endpoint: WebhookEndpoint,
    ) -> None:
        """Let a delivery of a disabled endpoint wait for it, and cancel one that lost its own."""
        if endpoint.removed_at is not None:
            state, why = WebhookState.CANCELED, "its endpoint was removed"
        else:
            state, why = WebhookState.HELD, "its endpoint is disabled: it waits until it is enabled"
        outcome = Outcome(delivery.id, state, why, is_attempt=False)
        await self.queue.finish(await driver_connection(session), token, [outcome])

    async def _call(self, call: Call) -> Answer:
        started_at, began_s = datetime.now(UTC), monotonic()
        headers = call.headers | signed_headers(
            call.secrets, call.event_id, int(started_at.timestamp()), call.body
        )
        try:
            check_headers(call.headers)
            request = self._http.build_request(
                "POST",
                parse_url(call.url),
                headers=headers | {"Content-Type": "application/json"},
                content=call.body,
            )
            answer = await send(
                self._http, request, timeout_s=self._timeout_s, answer_bytes_max=ANSWER_BYTES_MAX
            )
        except OutboundError as error:
            detail = call.hidden.hide(error.detail)
            return Answer(started_at, _ms_since(began_s), None, detail)
        return Answer(started_at, _ms_since(began_s), answer.status, retry_after=answer.retry_after)

    async def _record(self, token: UUID, call: Call, answer: Answer) -> None:
        outcome = _outcome(call.delivery_id, call.attempt, answer)
        async with raw_connection(self.engine) as connection, connection.transaction():
            if not await self.queue.finish(connection, token, [outcome]):
                raise LeaseLostError
            await store.add_attempt(connection, call.delivery_id, answer)
            await store.note_answer(connection, call.endpoint_id, answer)
        WEBHOOK_ATTEMPTS.labels(outcome="delivered" if answer.is_success else "failed").inc()

    async def _give_back(self, token: UUID, delivery_id: UUID, error: str) -> None:
        """End an attempt that failed on our side: it says nothing of the endpoint."""
        async with raw_connection(self.engine) as connection:
            attempt = await store.attempt_of(connection, delivery_id)
            failed = Answer(datetime.now(UTC), 0, None, error)
            await self.queue.finish(connection, token, [_outcome(delivery_id, attempt, failed)])


def _outcome(delivery_id: UUID, attempt: int, answer: Answer) -> Outcome:
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    then = after(answer, attempt=attempt, jitter=jitter)
    return Outcome(delivery_id, then.state, answer.problem, then.delay_s)


async def _endpoint_of(
    session: AsyncSession, delivery: WebhookDelivery, *, lock: bool = False
) -> WebhookEndpoint:
    """Return a delivery's endpoint; with `lock`, nobody changes it until the transaction ends."""
    statement = select(WebhookEndpoint).where(WebhookEndpoint.id == delivery.endpoint_id)
    if lock:
        statement = statement.with_for_update(read=True).execution_options(populate_existing=True)
    return (await session.scalars(statement)).one()


def _ms_since(began_s: float) -> int:
    return round((monotonic() - began_s) * 1000)

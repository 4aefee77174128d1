"""Sends webhook deliveries over HTTP the way PagerTree does, with its retries and its disorder.

Any 2xx is a success. Anything else, a redirect included, is sent again with the same bytes. Each
delivery is a job of its own and holds no other one up while it waits for a retry. How many jobs
PagerTree runs at once is not known; here it is an option.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import cache
from ssl import SSLContext

from pagersync.http import AsyncClient, HTTPError, Limits, create_ssl_context
from pagersync.simulator.account import seeded
from pagersync.simulator.life import WebhookEvent
from pagersync.simulator.schedule import Chaos, RetrySchedule, draw_start_order
from pagersync.simulator.target import Target


@dataclass(frozen=True, slots=True)
class Delivery:
    """One body to deliver; `type` and `subject` (an alert's id) only name it in the report."""

    type: str
    subject: str
    body: bytes

    @classmethod
    def of(cls, event: WebhookEvent, body: bytes) -> "Delivery":
        """Make the delivery of an event, with the body that was written for it."""
        return cls(event.type, event.data["id"], body)


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How deliveries are sent.

    Attributes:
        chaos: What goes wrong on purpose.
        retries: How failed deliveries are sent again.
        concurrency: Requests under way at once, at most. With 1 and no chaos, first attempts
            arrive in the order given.
        seed: Decides order, duplicates and jitter; the same seed starts the same requests.
        timeout_s: How long connecting, sending or waiting for an answer may each take.
    """

    chaos: Chaos = field(default_factory=Chaos)
    retries: RetrySchedule = field(default_factory=RetrySchedule)
    concurrency: int = 1
    seed: int = 0
    timeout_s: float = 15.0


DEFAULT_OPTIONS = SendOptions()


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """How one delivery went.

    Attributes:
        type: The event's name.
        subject: The id of the alert, or of what else the event is about.
        succeeded: A 2xx came in the end.
        attempts: Requests up to the success or until it was given up, duplicates not counted.
        status_code: Of the last attempt; None when no answer came.
        duplicates: Requests sent after the success.
        failures: Status code or error of each request that failed, in order.
    """

    type: str
    subject: str
    succeeded: bool
    attempts: int
    status_code: int | None
    duplicates: int
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """How everything went.

    Attributes:
        deliveries: One report each, in the order given to `send`.
        events: Deliveries that were to be made.
        requests: HTTP requests sent: attempts and duplicates.
        duplicates: Requests that repeated a success.
        failures: Failed requests by status code ("503") or error ("ReadTimeout").
        given_up: Deliveries that never succeeded.
        duration_s: From the first start to the last end, in seconds.
    """

    deliveries: tuple[DeliveryReport, ...]
    events: int
    requests: int
    duplicates: int
    failures: Mapping[str, int]
    given_up: int
    duration_s: float


async def send(
    deliveries: Sequence[Delivery],
    target: Target,
    options: SendOptions = DEFAULT_OPTIONS,
    *,
    client: AsyncClient | None = None,
) -> Report:
    """Make all deliveries and report how they went; returns when the last is done or given up.

    Args:
        deliveries: In the order in which their events happened.
        target: Where they go.
        options: How.
        client: Used instead of one of its own, and left open.
    """
    started = time.perf_counter()
    prompt, late = draw_start_order(len(deliveries), options.chaos, seeded(options.seed, "order"))
    reports: dict[int, DeliveryReport] = {}
    async with AsyncExitStack() as stack:
        if client is None:
            client = await stack.enter_async_context(make_client(options))
        sender = Sender(client, target, options)
        for wave in (prompt, late):
            reports |= await _deliver_wave(sender, wave, deliveries)
    return _sum_up([reports[index] for index in sorted(reports)], time.perf_counter() - started)


def make_client(options: SendOptions) -> AsyncClient:
    """Make a client for a sender.

    It takes nothing from the environment: a .netrc would add credentials.
    """
    limits = Limits(
        max_connections=options.concurrency, max_keepalive_connections=options.concurrency
    )
    return AsyncClient(limits=limits, trust_env=False, verify=_trusted())


@cache
def _trusted() -> SSLContext:
    """Load the trusted certificates, once: that takes longer than all the rest of a client."""
    return create_ssl_context(trust_env=False)


async def _deliver_wave(
    sender: "Sender", wave: Sequence[int], deliveries: Sequence[Delivery]
) -> dict[int, DeliveryReport]:
    async with asyncio.TaskGroup() as group:
        tasks = {
            index: group.create_task(sender.deliver(index, deliveries[index])) for index in wave
        }
    return {index: task.result() for index, task in tasks.items()}


class Sender:
    """Makes single deliveries; all of them share its slots."""

    def __init__(self, client: AsyncClient, target: Target, options: SendOptions) -> None:
        self._client = client
        self._url = target.request_url
        self._headers = target.headers
        self._options = options
        # Slots are given in the order in which they were asked for: deliveries start in order.
        self._slots = asyncio.Semaphore(options.concurrency)

    async def deliver(self, index: int, delivery: Delivery) -> DeliveryReport:
        """Send until it succeeds or the retries are used up, then perhaps once more."""
        rng = seeded(self._options.seed, "delivery", index)
        is_duplicated = rng.random() < self._options.chaos.duplicate_rate
        answers = [await self._post(delivery.body)]
        for pause_s in self._options.retries.draw_pauses_s(rng):
            if answers[-1].succeeded:
                break
            await asyncio.sleep(pause_s)
            answers.append(await self._post(delivery.body))
        last, attempts = answers[-1], len(answers)
        if last.succeeded and is_duplicated:
            answers.append(await self._post(delivery.body))
        return DeliveryReport(
            type=delivery.type,
            subject=delivery.subject,
            succeeded=last.succeeded,
            attempts=attempts,
            status_code=last.status_code,
            duplicates=len(answers) - attempts,
            failures=tuple(answer.name for answer in answers if not answer.succeeded),
        )

    async def _post(self, body: bytes) -> "_Answer":
        async with self._slots:
            try:
                response = await self._client.post(
                    self._url,
                    content=body,
                    headers=self._headers,
                    timeout=self._options.timeout_s,
                    follow_redirects=False,
                )
            except HTTPError as error:
                return _Answer(type(error).__name__, status_code=None, succeeded=False)
        return _Answer(
            str(response.status_code),
            status_code=response.status_code,
            succeeded=response.is_success,
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back for one request; `name` is the status code, or the error's name."""

    name: str
    status_code: int | None
    succeeded: bool


def _sum_up(deliveries: Sequence[DeliveryReport], duration_s: float) -> Report:
    duplicates = sum(delivery.duplicates for delivery in deliveries)
    return Report(
        deliveries=tuple(deliveries),
        events=len(deliveries),
        requests=sum(delivery.attempts for delivery in deliveries) + duplicates,
        duplicates=duplicates,
        failures=dict(Counter(name for delivery in deliveries for name in delivery.failures)),
        given_up=sum(not delivery.succeeded for delivery in deliveries),
        duration_s=duration_s,
    )

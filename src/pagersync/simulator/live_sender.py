"""Sends webhooks while alerts live, each as a job of its own, with PagerTree's retries."""

import asyncio

from pagersync.http import AsyncClient
from pagersync.simulator.account import seeded
from pagersync.simulator.bodies import wire_body
from pagersync.simulator.life import WebhookEvent
from pagersync.simulator.options import CONCURRENCY_MAX, Sending
from pagersync.simulator.schedule import Chaos, RetrySchedule
from pagersync.simulator.sender import Delivery, Sender, SendOptions, make_client


class LiveSender:
    """Starts deliveries and forgets them when they are done; `aclose` ends those under way."""

    def __init__(self) -> None:
        self._seed = 0
        self._integration_id = ""
        self._under_way: set[asyncio.Task[object]] = set()
        self._count = 0
        self._client: AsyncClient | None = None
        self._sender: tuple[Sending, Sender] | None = None

    def send(self, event: WebhookEvent, sending: Sending) -> None:
        """Begin to deliver an event, as many times as a storm has it."""
        if sending.webhooks == "off" or not sending.webhook_url:
            return
        sender = self._sender_for(sending)
        delivery = Delivery.of(event, wire_body(event))
        for _ in range(sending.storm):
            self._count += 1
            job = self._deliver(sender, sending, self._count, delivery)
            task: asyncio.Task[object] = asyncio.create_task(job)
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _deliver(
        self, sender: Sender, sending: Sending, number: int, delivery: Delivery
    ) -> None:
        rng = seeded(self._seed, "start", number)
        pause_s = rng.uniform(0, sending.reorder_s)
        if rng.random() < sending.late_rate:
            pause_s += sending.late_s
        if pause_s:
            await asyncio.sleep(pause_s)
        await sender.deliver(number, delivery)

    def _sender_for(self, sending: Sending) -> Sender:
        """Return the sender of these options; the last one is kept, with its slots."""
        if self._sender is not None and self._sender[0] == sending:
            return self._sender[1]
        target = sending.target(self._integration_id)
        options = SendOptions(
            chaos=Chaos(duplicate_rate=sending.duplicate_rate),
            retries=RetrySchedule(sending.retries_max, sending.first_pause_s),
            concurrency=sending.concurrency,
            seed=self._seed,
        )
        self._client = self._client or make_client(SendOptions(concurrency=CONCURRENCY_MAX))
        sender = Sender(self._client, target, options)
        self._sender = (sending, sender)
        return sender

    def start_over(self, seed: int, integration_id: str) -> None:
        """Give up every delivery under way, and draw anew."""
        self._cancel()
        self._seed, self._integration_id = seed, integration_id
        self._count, self._sender = 0, None

    def _cancel(self) -> None:
        for task in self._under_way:
            task.cancel()

    async def aclose(self) -> None:
        """Give up every delivery under way, and close the connections."""
        self._cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        client, self._client, self._sender = self._client, None, None
        if client is not None:
            await client.aclose()

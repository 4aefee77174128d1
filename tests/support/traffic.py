"""PagerTree's traffic: events that come late, twice and out of order, until they are answered."""

import asyncio
import hashlib
import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from pagersync.alerts.handlers import HANDLERS
from pagersync.database.engine import Connection
from tests.support.wait import eventually

T = TypeVar("T")

TYPES = [event_type.value for event_type in HANDLERS]
SHUFFLED_ALERTS = 5
CONNECTIONS = 16
GONE = (OSError, EOFError)


class Promise(NamedTuple):
    """A request that was answered 2xx."""

    delivery_id: UUID
    body: bytes


@dataclass(frozen=True)
class Line:
    """One kept-alive HTTP connection, at a tenth of the cost of a full client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Self]:
        """Yield a connection to the server at `url`."""
        address = urlsplit(url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()

    async def post(self, target: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer; raise one of `GONE` if none comes."""
        head = f"POST {target} HTTP/1.1\r\nhost: test\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        assert length is not None
        return int(answer.split(b" ")[1]), await self.reader.readexactly(int(length[1]))


@dataclass
class Traffic:
    """An endless stream of the events of many alerts, and what was promised for them.

    About one request in ten is a twin of another, one in ten repeats an old one byte for byte, and
    one in ten says the same in other bytes. What is not answered 2xx is sent again.

    Attributes:
        target: path and query of the webhook.
    """

    target: str
    rng: Random
    promises: list[Promise] = field(default_factory=list)
    _waiting: deque[bytes] = field(default_factory=deque)
    _alerts: int = 0

    @classmethod
    def to(cls, webhook_url: str, secret: str, *, seed: int) -> Self:
        """Return traffic for one integration's webhook, at whatever address it will be served."""
        return cls(f"{urlsplit(webhook_url).path}?secret={secret}", Random(seed))

    async def send(self, url: str, stop: asyncio.Event | None = None) -> None:
        """Send until the server is gone or `stop` is set."""
        await asyncio.gather(*(self._send_on_one(url, stop) for _ in range(CONNECTIONS)))

    async def finish(self, url: str) -> None:
        """Send what was never answered."""
        async with Line.to(url) as line:
            while self._waiting:
                await self._send(line, self._waiting.popleft())

    async def _send_on_one(self, url: str, stop: asyncio.Event | None) -> None:
        try:
            async with Line.to(url) as line:
                while stop is None or not stop.is_set():
                    await self._send(line, self._next())
        except GONE:
            return

    async def _send(self, line: Line, body: bytes) -> None:
        try:
            status, answer = await line.post(self.target, body)
        except GONE:
            self._waiting.append(body)
            raise
        if status == 202:
            self.promises.append(Promise(UUID(json.loads(answer)["data"]["id"]), body))
            return
        assert status == 503, answer
        self._waiting.append(body)

    def _next(self) -> bytes:
        chance = self.rng.random()
        if self.promises and chance < 0.1:
            return self.rng.choice(self.promises).body
        if self.promises and chance < 0.2:
            said = json.loads(self.rng.choice(self.promises).body)
            return json.dumps(said, indent=self.rng.randint(1, 9)).encode()
        if not self._waiting:
            self._make_events()
        body = self._waiting.popleft()
        if chance > 0.9:
            self._waiting.appendleft(body)
        return body

    def _make_events(self) -> None:
        bodies = [
            {"type": type_, "data": {"id": f"alt_{alert}", "updatedAt": 1_770_000_000 + order}}
            for alert in range(self._alerts, self._alerts + SHUFFLED_ALERTS)
            for order, type_ in enumerate(TYPES)
        ]
        self._alerts += SHUFFLED_ALERTS
        self.rng.shuffle(bodies)
        self._waiting.extend(json.dumps(body).encode() for body in bodies)

    def events(self) -> dict[str, list[str]]:
        """Return the distinct events that were promised: types by alert."""
        types: defaultdict[str, set[str]] = defaultdict(set)
        for promise in self.promises:
            said = json.loads(promise.body)
            types[said["data"]["id"]].add(said["type"])
        return {alert: sorted(types[alert]) for alert in types}


async def assert_promises_kept(connection: Connection, traffic: Traffic) -> None:
    """Each answered request is there, under the id of the answer, and counted as often as it came.

    The same bytes have one id.
    """
    rows = await connection.fetch("SELECT id, body, body_sha256, times_received FROM deliveries")
    kept = {row["id"]: row for row in rows}
    missing = [promise for promise in traffic.promises if promise.delivery_id not in kept]
    assert not missing, f"{len(missing)} of {len(traffic.promises)} answered requests are gone"
    for promise in traffic.promises:
        row = kept[promise.delivery_id]
        assert row["body"] == promise.body
        assert row["body_sha256"] == hashlib.sha256(promise.body).digest()
    times = Counter(promise.delivery_id for promise in traffic.promises)
    assert all(kept[thing]["times_received"] >= times[thing] for thing in times)
    assert len(times) == len({promise.body for promise in traffic.promises})


async def wait_until_applied(connection: Connection, *, timeout_s: float = 30) -> None:
    """Return when no delivery is on its way any more; each must have ended well."""

    async def count() -> dict[str, int]:
        rows = await connection.fetch("SELECT state, count(*) AS rows FROM deliveries GROUP BY 1")
        return {row["state"]: row["rows"] for row in rows}

    await eventually(count, lambda states: states.keys() == {"done"}, timeout_s=timeout_s)


async def assert_applied_once(connection: Connection, traffic: Traffic) -> None:
    """Each alert has each of its events once, was made once, and is resolved if any event says so.

    Call it when everything that was ever sent has been answered.
    """
    rows = await connection.fetch(
        "SELECT a.external_id, a.status, array_agg(e.event_type ORDER BY e.event_type) AS types"
        " FROM alerts a JOIN alert_events e ON e.alert_id = a.id GROUP BY a.external_id, a.status"
    )
    sent = traffic.events()
    _assert_same("events", {row["external_id"]: row["types"] for row in rows}, sent)
    resolved = {alert: "alert.resolved" in types for alert, types in sent.items()}
    _assert_same("end", {r["external_id"]: r["status"] == "resolved" for r in rows}, resolved)
    facts = await connection.fetch(
        "SELECT a.external_id, count(*) FILTER (WHERE d.type = 'alert.created') AS times"
        " FROM alerts a LEFT JOIN domain_events d ON d.subject_id = a.id GROUP BY 1"
    )
    created = {fact["external_id"]: fact["times"] for fact in facts}
    _assert_same("facts", created, dict.fromkeys(sent, 1))


def _assert_same(what: str, found: dict[str, T], wanted: dict[str, T]) -> None:
    alerts = sorted(found.keys() | wanted.keys())
    wrong = {alert: (found.get(alert), wanted.get(alert)) for alert in alerts}
    wrong = {alert: pair for alert, pair in wrong.items() if pair[0] != pair[1]}
    assert not wrong, f"wrong {what} of {len(wrong)} alerts, as found and as wanted: {wrong}"

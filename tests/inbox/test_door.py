"""Who is let in. The rules are a pure table; memory never refuses by itself."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.tokens import hash_token
from pagersync.database.engine import Sessions
from pagersync.events.publish import NO_INTEGRATION
from pagersync.http import AsyncClient
from pagersync.inbox.door import Door, Entrance, Refusal, Secret, judge
from pagersync.integrations import service
from tests.support.account import event

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOON, PAST = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)


def entrance(*secrets: tuple[str, datetime | None], enabled: bool = True) -> Entrance:
    return Entrance(enabled, tuple(Secret(hash_token(text), until) for text, until in secrets))


@pytest.mark.parametrize(
    ("known", "presented", "expected"),
    [
        (None, ["a"], Refusal.UNKNOWN_INTEGRATION),
        (None, [], Refusal.UNKNOWN_INTEGRATION),
        (entrance(("a", None)), [], Refusal.MISSING_SECRET),
        (entrance(("a", None)), ["b"], Refusal.WRONG_SECRET),
        (entrance(("a", None)), ["a"], None),
        (entrance(("a", None)), ["b", "a"], None),
        (entrance(("a", SOON), ("b", None)), ["a"], None),
        (entrance(("a", PAST), ("b", None)), ["a"], Refusal.WRONG_SECRET),
        (entrance(), ["a"], Refusal.WRONG_SECRET),
        (entrance(("a", None), enabled=False), ["a"], Refusal.INTEGRATION_DISABLED),
        (entrance(("a", None), enabled=False), ["b"], Refusal.WRONG_SECRET),
    ],
)
def test_the_door_decides_by_a_table(
    known: Entrance | None, presented: list[str], expected: Refusal | None
) -> None:
    assert judge(known, presented, NOW) is expected


@pytest.mark.parametrize("presented", [(), ("wrong",), ("wrong", "worse")])
async def test_an_unknown_integration_costs_the_same_work_as_an_existing_one(
    engine: AsyncEngine,
    sessions: Sessions,
    presented: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with sessions.begin() as session:
        existing = (await service.add_integration(session, name="acme")).integration.id
    works = []
    for integration_id in (existing, uuid4(), NO_INTEGRATION):
        door = Counting(engine, asyncio.Event())
        await door.read()
        compared: list[str] = []
        monkeypatch.setattr(
            "pagersync.inbox.door.matches_any",
            lambda token, hashes, done=compared: done.extend(token for _ in hashes),
        )
        assert await door.check(integration_id, presented) is not None
        works.append((door.reads, compared))
    assert works[0] == works[1] == works[2], "the time tells nobody which integrations there are"
    assert works[0][0] == (2 if presented else 1), "who has no secret need not be looked up"


class Counting(Door):
    """A door that counts how often it reads."""

    reads = 0

    async def read(self) -> None:
        await self._read()

    async def _read(self) -> None:
        self.reads += 1
        await super()._read()


async def test_a_secret_works_the_moment_it_was_made(
    server: str, sessions: Sessions, api: AsyncClient
) -> None:
    for number in range(5):
        async with sessions.begin() as session:
            new = await service.add_integration(session, name=f"account-{number}")
        url = f"{server}/webhooks/pagertree/{new.integration.id}"
        posted = await api.post(url, params={"secret": new.webhook_secret}, json=event())
        assert posted.status_code == 202
        async with sessions.begin() as session:
            fresh = await service.rotate_secret(
                session, new.integration.id, grace=timedelta(hours=1)
            )
        posted = await api.post(url, params={"secret": fresh.webhook_secret}, json=event())
        assert posted.status_code == 202

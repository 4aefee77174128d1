"""Who is let in. The rules are a pure table; memory never refuses by itself."""

from datetime import UTC, datetime, timedelta

import pytest

from pagersync.access.tokens import hash_token
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.inbox.door import Entrance, Refusal, Secret, judge
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

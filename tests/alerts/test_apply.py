"""From webhook to alert, through the whole service."""

import asyncio
import json
import random
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.alerts.models import Alert, AlertEvent
from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.inbox.models import Delivery
from pagersync.integrations import service
from pagersync.integrations.models import Integration
from tests.support.account import Account, event
from tests.support.events import EIGHT, at, eight_bodies
from tests.support.faults import refusing
from tests.support.wait import eventually


async def states(sessions: Sessions) -> dict[str, int]:
    async with sessions() as session:
        rows = await session.execute(select(Delivery.state, func.count()).group_by(Delivery.state))
        return {row[0]: row[1] for row in rows}


async def settled(sessions: Sessions) -> dict[str, int]:
    """Return how many deliveries ended in which state, once none is on its way."""
    return await eventually(
        lambda: states(sessions), lambda seen: not seen.keys() & {"queued", "running"}
    )


async def alerts(sessions: Sessions) -> list[Alert]:
    async with sessions() as session:
        return list((await session.scalars(select(Alert).order_by(Alert.external_id))).all())


async def facts(sessions: Sessions) -> list[tuple[str, dict[str, Any]]]:
    async with sessions() as session:
        rows = await session.scalars(select(DomainEvent).order_by(DomainEvent.id))
        return [(row.type, row.data) for row in rows]


async def test_an_event_becomes_an_alert(account: Account, sessions: Sessions) -> None:
    body = event("alert.open", "alt_x", title="Disk full", urgency="high", thirdparty_id="t-1")
    await account.post(body)
    assert await settled(sessions) == {"done": 1}
    (alert,) = await alerts(sessions)
    assert (alert.status, alert.summary, alert.external_id) == ("triggered", "Disk full", "alt_x")
    assert alert.external_url == "https://app.pagertree.com/#/alert/alt_x"
    assert alert.labels == {"pagertree_status": "open", "pagertree_urgency": "high"}
    assert alert.data == body["data"]
    assert len(alert.short_id) == 6
    assert await facts(sessions) == [
        ("alert.created", {"status": "open"}),
        ("alert.status_updated", {"from": "open", "to": "triggered"}),
    ]


@pytest.mark.parametrize("body", eight_bodies(), ids=lambda body: body["type"])
async def test_each_of_the_eight_events_makes_the_alert_where_it_is_the_first_to_come(
    account: Account, sessions: Sessions, body: dict[str, Any]
) -> None:
    await account.post(body)
    assert await settled(sessions) == {"done": 1}
    (alert,) = await alerts(sessions)
    assert (alert.external_id, alert.summary) == ("alt_1", body["data"]["title"])
    assert alert.labels["pagertree_status"] == body["data"]["status"]


@pytest.mark.parametrize("body", eight_bodies()[1:], ids=lambda body: body["type"])
async def test_each_of_the_eight_events_updates_the_alert_that_is_there(
    account: Account, sessions: Sessions, body: dict[str, Any]
) -> None:
    await account.post(eight_bodies()[0])
    await account.post(body)
    assert await settled(sessions) == {"done": 2}
    (alert,) = await alerts(sessions)
    assert alert.summary == body["data"]["title"]
    assert alert.labels["pagertree_status"] == body["data"]["status"]


async def test_a_customised_payload_with_the_usual_fields_is_a_whole_alert(
    account: Account, sessions: Sessions
) -> None:
    said = {
        "sid": "acc_1",
        "title": "Disk full",
        "description": "on db-1",
        "status": "acknowledged",
        "urgency": "critical",
    }
    await account.post({**event("alert.acknowledged", "alt_1", **said), "team": "SRE"})
    assert await settled(sessions) == {"done": 1}
    (alert,) = await alerts(sessions)
    assert (alert.external_id, alert.summary) == ("alt_1", "Disk full")
    assert (alert.description, alert.status) == ("on db-1", "acknowledged")
    assert alert.labels == {"pagertree_status": "acknowledged", "pagertree_urgency": "critical"}


async def test_an_alert_whose_payload_lost_its_fields_is_there_all_the_same(
    account: Account, sessions: Sessions
) -> None:
    await account.post(event("alert.open", "alt_1"))
    assert await settled(sessions) == {"done": 1}
    (alert,) = await alerts(sessions)
    assert (alert.external_id, alert.status, alert.summary) == ("alt_1", "triggered", "alt_1")


async def test_eight_events_out_of_order_and_repeated_make_one_alert_with_eight_events(
    account: Account, sessions: Sessions
) -> None:
    bodies = eight_bodies() * 3
    random.Random(7).shuffle(bodies)
    await asyncio.gather(*[account.post(body) for body in bodies])
    assert await settled(sessions) == {"done": 8}
    (alert,) = await alerts(sessions)
    assert (alert.status, alert.summary) == ("resolved", "as of minute 7")
    assert alert.started_at.isoformat() == "2026-03-01T03:00:00+00:00"
    assert alert.acknowledged_at is not None
    assert alert.ended_at is not None
    assert (alert.acknowledged_at.minute, alert.ended_at.minute) == (5, 7)
    async with sessions() as session:
        events = (await session.scalars(select(AlertEvent).order_by(AlertEvent.occurred_at))).all()
        assert [one.event_type for one in events] == [name for name, _ in EIGHT]
        assert await session.scalar(select(func.sum(Delivery.times_received))) == 24


async def test_one_event_in_two_bodies_stands_in_the_history_once(
    account: Account, sessions: Sessions
) -> None:
    body = event("alert.open", updatedAt=at(1), title="x")
    await account.post(body)
    await account.post({**body, "added_by_a_rule": True})
    await account.post(json.dumps(body, indent=4).encode())
    assert await settled(sessions) == {"done": 3}
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(AlertEvent)) == 1


async def test_a_reused_thirdparty_id_makes_a_second_alert(
    account: Account, sessions: Sessions
) -> None:
    await account.post(event("alert.resolved", "alt_1", thirdparty_id="host-7", status="resolved"))
    await account.post(event("alert.open", "alt_2", thirdparty_id="host-7", status="open"))
    await settled(sessions)
    assert [alert.status for alert in await alerts(sessions)] == ["resolved", "triggered"]


async def test_a_replay_of_everything_changes_nothing(account: Account, sessions: Sessions) -> None:
    for body in eight_bodies():
        await account.post(body)
    await settled(sessions)
    before, told = await alerts(sessions), await facts(sessions)
    async with sessions.begin() as session:
        await session.execute(update(Delivery).values(state="queued", finished_at=None))
    assert await settled(sessions) == {"done": 8}
    (first,), (second,) = before, await alerts(sessions)
    assert (second.updated_at, second.fold) == (first.updated_at, first.fold)
    assert await facts(sessions) == told


async def test_a_row_that_cannot_be_applied_fails_alone_and_is_seen(
    account: Account, sessions: Sessions, engine: AsyncEngine
) -> None:
    async with refusing(engine, "alerts", "NEW.summary = 'poison'"):
        await asyncio.gather(
            *[
                account.post(event("alert.open", name, title=name))
                for name in ("good", "poison", "fine")
            ]
        )

        async def poisoned() -> Delivery | None:
            async with sessions() as session:
                return await session.scalar(
                    select(Delivery).where(Delivery.pagertree_alert_id == "poison")
                )

        failed = await eventually(poisoned, lambda row: row is not None and bool(row.last_error))
        assert failed is not None
        assert "refused by a test" in (failed.last_error or "")
        assert failed.attempt >= 1
        others = await eventually(lambda: alerts(sessions), lambda rows: len(rows) == 2)
        assert [alert.summary for alert in others] == ["fine", "good"]
    await eventually(lambda: alerts(sessions), lambda rows: len(rows) == 3)


async def test_new_alerts_over_the_daily_limit_are_kept_as_limited_and_can_be_replayed(
    account: Account, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Integration).values(alerts_per_day_max=2))
    for name in ("a", "b", "c", "d"):
        answer = await account.post(event("alert.created", name))
        assert answer.status_code == 202
        await settled(sessions)
    assert await states(sessions) == {"done": 2, "limited": 2}
    assert (await account.post(event("alert.resolved", "a"))).status_code == 202
    assert await settled(sessions) == {"done": 3, "limited": 2}, "known alerts go on"
    async with sessions.begin() as session:
        await session.execute(update(Integration).values(alerts_per_day_max=3))
        await session.execute(
            update(Delivery).where(Delivery.state == "limited").values(state="queued")
        )
    assert await settled(sessions) == {"done": 4, "limited": 1}
    assert [alert.external_id for alert in await alerts(sessions)] == ["a", "b", "c"]


async def test_a_limit_holds_within_one_batch(account: Account, sessions: Sessions) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Integration).values(alerts_per_day_max=5))
    await asyncio.gather(*[account.post(event("alert.created", f"a{n}")) for n in range(20)])
    assert await settled(sessions) == {"done": 5, "limited": 15}


async def test_two_accounts_may_have_alerts_of_the_same_id(
    account: Account, sessions: Sessions
) -> None:

    async with sessions.begin() as session:
        other = await service.add_integration(session, name="other")
    url = account.url.replace(str(account.id), str(other.integration.id))
    await account.post(event())
    await account.client.post(
        url, params={"secret": other.webhook_secret}, content=json.dumps(event()).encode()
    )
    await settled(sessions)
    assert len(await alerts(sessions)) == 2

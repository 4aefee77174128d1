"""The webhooks that a living alert sends."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pagersync.simulator.account import make_account, seeded
from pagersync.simulator.pagertree_state import now
from pagersync.simulator.snapshot import Moment, new_alert
from tests.support.pagertree import SimulatedPagerTree
from tests.support.wait import eventually

from .receiver import Receiver, receiving

LIFE = ["alert.created", "alert.open", "alert.acknowledged", "alert.resolved"]


@pytest.fixture
async def receiver(pagertree: SimulatedPagerTree) -> AsyncIterator[Receiver]:
    """Yield the receiver that the simulator sends to."""
    async with receiving() as receiver:
        pagertree.simulator.change(webhook_url=receiver.url)
        yield receiver
        pagertree.simulator.reset()


def events(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for body in receiver.bodies]


async def received(receiver: Receiver, count: int) -> list[dict[str, Any]]:
    """Wait for as many events, and return all."""

    async def look() -> list[dict[str, Any]]:
        return events(receiver)

    return await eventually(look, lambda seen: len(seen) >= count)


def in_true_order(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sort events by when they happened: deliveries under way at once may overtake each other."""
    return sorted(told, key=lambda event: str(event["data"]["updatedAt"]))


async def test_each_change_of_status_is_told_in_v3_format(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    pagertree.simulator.change(acknowledge_after_s=0.02, resolve_after_s=0.02)
    meta = {"incident": True, "incident_severity": "SEV-1"}
    alert = await pagertree.created(thirdparty_id="m", tags=["m"], meta=meta)
    told = in_true_order(await received(receiver, 4))
    assert [event["type"] for event in told] == LIFE
    statuses = ["queued", "open", "acknowledged", "resolved"]
    assert [event["data"]["status"] for event in told] == statuses
    assert len({event["data"]["updatedAt"] for event in told}) == 4
    data = told[-1]["data"]
    assert (data["id"], data["tinyId"]) == (alert["prefix_id"], alert["tiny_id"])
    assert (data["thirdparty_id"], data["tags"], data["meta"]) == ("m", ["m"], meta)
    team = pagertree.simulator.directory.teams[0]
    assert (data["d_team_id"], data["d_user_id"]) == (team.prefix_id, team.on_call[0].prefix_id)
    assert data["acknowledgedby"] == data["d_user_id"]


async def test_the_data_has_the_documented_keys(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    await pagertree.created()
    data = (await received(receiver, 1))[0]["data"]
    rng = seeded("keys")
    assert data.keys() == new_alert(Moment(now(), make_account(rng), rng), tiny_id=1).keys()


async def test_what_a_person_does_is_told_and_an_update_is_not(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    alert = pagertree.simulator.add_alert(status="open")
    await pagertree.client.put(f"alerts/{alert['id']}", json={"title": "new"})
    await pagertree.client.post(f"alerts/{alert['id']}/comments", json={"body": "b"})
    for action in ("reject", "timeout", "acknowledge", "handoff", "drop", "resolve"):
        pagertree.simulator.act(alert["id"], action)
    names = ("created", "rejected", "timeout", "acknowledged", "handoff", "dropped", "resolved")
    told = in_true_order(await received(receiver, len(names)))
    assert [event["type"] for event in told] == [f"alert.{name}" for name in names]


async def test_the_secret_travels_as_asked_for(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    pagertree.simulator.change(webhook_secret="s3cret", webhook_auth="bare")
    pagertree.simulator.add_alert(status="suppressed")
    await received(receiver, 1)
    assert "authorization" in receiver.received[0].headers
    pagertree.simulator.change(webhook_auth="query")
    pagertree.simulator.add_alert(status="suppressed")
    await received(receiver, 2)
    assert receiver.received[1].target.endswith("?secret=s3cret")
    assert "s3cret" not in repr(pagertree.simulator.options)
    assert "s3cret" not in json.dumps(pagertree.simulator.shown_options())


async def test_a_failed_webhook_is_sent_again_with_the_same_bytes(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    receiver.answer = lambda number: 503 if number < 3 else 202
    pagertree.simulator.change(first_pause_s=0.001)
    pagertree.simulator.add_alert(status="suppressed")
    await received(receiver, 4)
    assert len(set(receiver.bodies)) == 1


async def test_a_storm_sends_every_webhook_many_times(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    pagertree.simulator.change(storm=20, queued_s=0)
    await pagertree.created()
    await received(receiver, 40)
    assert {receiver.bodies.count(body) for body in receiver.bodies} == {20}


async def test_duplicates_follow_a_success(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    pagertree.simulator.change(duplicate_rate=1)
    pagertree.simulator.add_alert(status="suppressed")
    first, second = await received(receiver, 2)
    assert first == second


async def test_late_webhooks_come_after_newer_ones(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    pagertree.simulator.change(late_rate=1, late_s=0.3, queued_s=0)
    pagertree.simulator.add_alert(status="suppressed")
    pagertree.simulator.change(late_rate=0)
    pagertree.simulator.add_alert(status="suppressed")
    assert [event["data"]["tinyId"] for event in await received(receiver, 2)] == [2, 1]


async def test_webhooks_come_out_of_order(
    pagertree: SimulatedPagerTree, receiver: Receiver
) -> None:
    pagertree.simulator.change(reorder_s=0.1)
    for _ in range(8):
        pagertree.simulator.add_alert(status="suppressed")
    numbers = [event["data"]["tinyId"] for event in await received(receiver, 8)]
    assert numbers != sorted(numbers) == list(range(1, 9))


async def test_webhooks_can_be_off(pagertree: SimulatedPagerTree, receiver: Receiver) -> None:
    pagertree.simulator.change(webhooks="off")
    pagertree.simulator.add_alert(title="unheard", status="suppressed")
    pagertree.simulator.change(webhooks="on")
    pagertree.simulator.add_alert(title="heard", status="suppressed")
    assert [event["data"]["title"] for event in await received(receiver, 1)] == ["heard"]


@pytest.mark.parametrize("how", ["deleted", "reset"])
async def test_nothing_more_is_told_of_what_is_gone(
    pagertree: SimulatedPagerTree, receiver: Receiver, how: str
) -> None:
    gone = pagertree.simulator.add_alert(title="gone")
    if how == "deleted":
        pagertree.simulator.delete_alert(pagertree.simulator.state.alerts[gone["id"]])
    else:
        pagertree.simulator.reset(pagertree.simulator.options)
    here = await pagertree.created(title="here")
    await pagertree.reaches(here["id"], "open")
    told = await received(receiver, 2 + (how == "deleted"))
    assert ("gone", "alert.open") not in [(event["data"]["title"], event["type"]) for event in told]

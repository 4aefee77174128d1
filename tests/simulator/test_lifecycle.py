"""What happens to simulated alerts by themselves, and who is paged."""

import pytest

from pagersync.simulator.directory import UNSTAFFED_TEAM
from pagersync.simulator.lifecycle import NotAllowedError
from tests.support.pagertree import SimulatedPagerTree
from tests.support.wait import eventually

FOR_EVER_S = 3600


async def test_an_alert_opens_and_pages_every_target_once(pagertree: SimulatedPagerTree) -> None:
    directory = pagertree.simulator.directory
    person, router = directory.account_users[5], directory.routers[1]
    alert = await pagertree.created(
        destination_account_user_ids=[person.id], destination_router_ids=[router.id]
    )
    await pagertree.reaches(alert["id"], "open")
    paged = pagertree.simulator.notifications()
    names = [directory.teams[0].name, router.name, person.name]
    assert sorted(entry["target_name"] for entry in paged) == sorted(names)
    for name in (person.id, person.prefix_id, person.name):
        (entry,) = pagertree.simulator.notifications(name)
        assert (entry["alert_id"], entry["account_user_ids"]) == (alert["id"], [person.id])


async def test_a_queued_alert_pages_nobody(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(queued_s=FOR_EVER_S)
    await pagertree.created()
    assert pagertree.simulator.notifications() == []


async def test_an_alert_is_dropped_where_nobody_is_on_call(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(acknowledge_after_s=0)
    nobody = pagertree.simulator.directory.team(UNSTAFFED_TEAM)
    alert = await pagertree.created(destination_team_ids=[nobody.id])
    await pagertree.reaches(alert["id"], "dropped")
    assert pagertree.simulator.notifications() == []


async def test_one_target_with_somebody_on_call_is_enough(pagertree: SimulatedPagerTree) -> None:
    directory = pagertree.simulator.directory
    nobody, somebody = directory.team(UNSTAFFED_TEAM), directory.teams[1]
    alert = await pagertree.created(destination_team_ids=[nobody.id, somebody.id])
    await pagertree.reaches(alert["id"], "open")
    assert [entry["target_name"] for entry in pagertree.simulator.notifications()] == [
        somebody.name
    ]


async def test_whoever_is_on_call_acknowledges_and_resolves(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(acknowledge_after_s=0.01, resolve_after_s=0.01)
    alert = await pagertree.created()
    after = await pagertree.reaches(alert["id"], "resolved")
    assert alert["created_at"] < after["acknowledged_at"] < after["resolved_at"]
    kept = pagertree.simulator.state.alerts[alert["id"]]
    on_call = pagertree.simulator.directory.teams[0].on_call[0]
    assert kept.acknowledged_by == kept.resolved_by == on_call


async def test_a_rejection_asks_the_next_person(pagertree: SimulatedPagerTree) -> None:
    first, second, *_ = pagertree.simulator.directory.teams[0].members
    alert = await pagertree.created()
    await pagertree.reaches(alert["id"], "open")
    assert pagertree.simulator.state.alerts[alert["id"]].d_user == first
    assert pagertree.simulator.act(alert["id"], "reject")["status"] == "open"
    assert pagertree.simulator.state.alerts[alert["id"]].d_user == second


async def test_a_handoff_opens_elsewhere_and_pages_there(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(acknowledge_after_s=0.01)
    receiver = pagertree.simulator.directory.teams[2]
    alert = await pagertree.created()
    await pagertree.reaches(alert["id"], "acknowledged")
    handed = pagertree.simulator.act(alert["id"], "handoff", to=receiver.prefix_id)
    assert handed["status"] == "open"
    assert len(pagertree.simulator.notifications(receiver.name)) == 1
    await pagertree.reaches(alert["id"], "acknowledged")
    kept = pagertree.simulator.state.alerts[alert["id"]]
    assert kept.acknowledged_by == receiver.on_call[0]
    assert [handoff["acknowledged"] for handoff in kept.handoffs] == [True]


async def test_what_is_done_by_hand_ends_what_would_have_happened(
    pagertree: SimulatedPagerTree,
) -> None:
    pagertree.simulator.change(queued_s=0.1)
    dropped, deleted, other = [await pagertree.created() for _ in range(3)]
    pagertree.simulator.act(dropped["id"], "drop")
    await pagertree.client.delete(f"alerts/{deleted['id']}")
    await pagertree.reaches(other["id"], "open")
    await pagertree.reaches(dropped["id"], "dropped")


async def test_a_reset_ends_every_life(pagertree: SimulatedPagerTree) -> None:
    for _ in range(2):
        await pagertree.created()
        pagertree.simulator.reset()
    alert = await pagertree.created()
    await pagertree.reaches(alert["id"], "open")
    assert len(pagertree.simulator.notifications()) == 1
    assert len(pagertree.simulator.alerts()) == 1


async def test_nothing_happens_to_a_suppressed_alert(pagertree: SimulatedPagerTree) -> None:
    suppressed = pagertree.simulator.add_alert(status="suppressed")
    other = await pagertree.created()
    await pagertree.reaches(other["id"], "open")
    await pagertree.reaches(suppressed["id"], "suppressed")


@pytest.mark.parametrize(
    ("status", "allowed"),
    [
        ("queued", {"drop"}),
        ("open", {"acknowledge", "reject", "timeout", "drop", "resolve"}),
        ("acknowledged", {"resolve", "handoff"}),
        ("dropped", {"acknowledge", "resolve"}),
        ("resolved", set()),
    ],
)
async def test_a_person_can_do_what_the_status_allows(
    pagertree: SimulatedPagerTree, status: str, allowed: set[str]
) -> None:
    done = set()
    for action in ("acknowledge", "reject", "timeout", "drop", "resolve", "handoff"):
        alert = pagertree.simulator.add_alert(status=status)
        try:
            pagertree.simulator.act(alert["id"], action)
        except NotAllowedError:
            continue
        done.add(action)
    assert done == allowed


async def test_times_of_an_alert_never_stand_still(pagertree: SimulatedPagerTree) -> None:
    alert = pagertree.simulator.add_alert(status="open")
    actions = ("reject", "timeout", "acknowledge", "handoff", "drop", "resolve")
    shown = [alert, *(pagertree.simulator.act(alert["id"], action) for action in actions)]
    times = [view["updated_at"] for view in shown]
    assert times == sorted(set(times))


async def test_ids_and_the_account_repeat_with_the_seed(pagertree: SimulatedPagerTree) -> None:
    seen = []
    for seed in (1, 1, 2):
        pagertree.simulator.change(seed=seed)
        pagertree.simulator.reset(pagertree.simulator.options)
        alert = await pagertree.created()
        seen.append((alert["prefix_id"], pagertree.simulator.directory.teams[0].id))
        await eventually(lambda: pagertree.client.get("teams"))
    assert seen[0] == seen[1] != seen[2]

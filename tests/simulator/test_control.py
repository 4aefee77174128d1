"""The control API: what a test sees behind the simulated PagerTree, and does there."""

from typing import Any

import pytest

from pagersync.http import Response
from tests.support.pagertree import API_KEY, SimulatedPagerTree


async def control(
    pagertree: SimulatedPagerTree, method: str, path: str = "", **options: Any
) -> Response:
    """Ask without a key."""
    url = f"{pagertree.url}/control{path}"
    return await pagertree.client.request(method, url, headers={"Authorization": ""}, **options)


async def test_alerts_are_found_by_their_marker(pagertree: SimulatedPagerTree) -> None:
    by_id = await pagertree.created(thirdparty_id="m")
    by_tag = await pagertree.created(tags=["x", "m"])
    await pagertree.created(title="m")
    found = (await control(pagertree, "GET", "/alerts", params={"marker": "m"})).json()
    assert [alert["id"] for alert in found] == [by_id["id"], by_tag["id"]]
    assert len((await control(pagertree, "GET", "/alerts")).json()) == 3


async def test_who_was_paged_is_shown_by_target(pagertree: SimulatedPagerTree) -> None:
    first, second = pagertree.simulator.directory.teams[:2]
    alert = await pagertree.created(
        destination_team_ids=[first.id, second.id], thirdparty_id="m", tags=["t"]
    )
    await pagertree.reaches(alert["id"], "open")
    every = (await control(pagertree, "GET", "/notifications")).json()
    assert [entry["target_id"] for entry in every] == [first.id, second.id]
    params = {"target": second.name}
    (entry,) = (await control(pagertree, "GET", "/notifications", params=params)).json()
    assert (entry["alert_id"], entry["target_type"]) == (alert["id"], "Team")
    assert (entry["thirdparty_id"], entry["tags"]) == ("m", ["t"])


async def test_requests_are_noted_down_without_those_to_the_control_api(
    pagertree: SimulatedPagerTree,
) -> None:
    await pagertree.client.get("alerts", params={"thirdparty_id": "m"})
    await pagertree.create(title="")
    await pagertree.client.get("teams", headers={"Authorization": "Bearer nope"})
    seen = (await control(pagertree, "GET", "/requests")).json()
    assert [(entry["number"], entry["method"], entry["status"]) for entry in seen] == [
        (1, "GET", 200),
        (2, "POST", 422),
        (3, "GET", 401),
    ]
    assert seen[0]["query"] == "thirdparty_id=m"
    assert seen[1]["fault"] is None


async def test_every_option_can_be_seen_and_changed_live(pagertree: SimulatedPagerTree) -> None:
    changes = {"queued_s": 5, "lost_response": 0.5, "search": "never", "tags_key": "tags"}
    assert (await control(pagertree, "PATCH", json=changes)).is_success
    shown = (await control(pagertree, "GET")).json()
    assert {name: shown[name] for name in changes} == changes
    assert API_KEY not in str(shown)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nope": 1}, "nope: there is no such option"),
        ({"api_keys": ["k"]}, "api_keys: there is no such option"),
        ({"queued_s": -1}, "queued_s"),
        ({"slow": 1.5}, "slow"),
        ({"slow": 0.6, "truncated": 0.6}, "more than 1"),
        ({"search": "sometimes"}, "search"),
        ({"create_status": 204}, "create_status"),
        ({"webhook_url": "nowhere"}, "The webhook URL must begin with"),
    ],
)
async def test_a_wrong_change_changes_nothing_and_says_why(
    pagertree: SimulatedPagerTree, changes: dict[str, Any], message: str
) -> None:
    before = pagertree.simulator.options
    response = await control(pagertree, "PATCH", json={"storm": 2, **changes})
    assert response.status_code == 422
    assert message in response.json()["errors"][0]["message"]
    assert pagertree.simulator.options == before


async def test_an_alert_is_born_in_pagertree_and_lives_there(pagertree: SimulatedPagerTree) -> None:
    team = pagertree.simulator.directory.teams[1]
    body = {"title": "Disk full", "destination_team_ids": [team.id]}
    born = await control(pagertree, "POST", "/alerts", json=body)
    alert = born.json()
    assert (born.status_code, alert["title"], alert["status"]) == (201, "Disk full", "queued")
    assert alert["source_type"] == "Integration"
    await pagertree.reaches(alert["id"], "open")
    for action, status in (("acknowledge", "acknowledged"), ("handoff", "open")):
        path = f"/alerts/{alert['prefix_id']}/{action}"
        assert (await control(pagertree, "POST", path)).json()["status"] == status
    assert [entry["target_name"] for entry in pagertree.simulator.notifications()] == [
        team.name,
        pagertree.simulator.directory.teams[0].name,
    ]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/alerts/nope/resolve", {}, 404),
        ("/alerts/{id}/explode", {}, 404),
        ("/alerts/{id}/resolve", {}, 422),
        ("/alerts", {"destination_team_ids": ["nope"]}, 422),
        ("/faults", {"fault": "meteor"}, 422),
        ("/faults", {"rate": 1}, 422),
        ("/faults", [], 400),
    ],
)
async def test_what_cannot_be_done_is_refused(
    pagertree: SimulatedPagerTree, path: str, body: Any, status: int
) -> None:
    pagertree.simulator.change(queued_s=3600)
    alert = await pagertree.created()
    answer = await control(pagertree, "POST", path.format(id=alert["id"]), json=body)
    assert answer.status_code == status, answer.text


async def test_a_handoff_goes_to_a_team_or_a_router_that_exists(
    pagertree: SimulatedPagerTree,
) -> None:
    alert = pagertree.simulator.add_alert(status="acknowledged")
    directory = pagertree.simulator.directory
    path = f"/alerts/{alert['id']}/handoff"
    for id_ in ("nope", directory.account_users[0].id):
        assert (await control(pagertree, "POST", path, json={"to": id_})).status_code == 404
    router = directory.routers[1]
    assert (await control(pagertree, "POST", path, json={"to": router.id})).is_success
    assert len(pagertree.simulator.notifications(router.id)) == 1


async def test_a_fault_can_be_planned(pagertree: SimulatedPagerTree) -> None:
    body = {"fault": "bad_gateway", "method": "GET", "path_end": "/teams"}
    assert (await control(pagertree, "POST", "/faults", json=body)).status_code == 204
    statuses = [(await pagertree.client.get("teams")).status_code for _ in range(2)]
    assert statuses == [502, 200]


async def test_a_reset_forgets_everything_and_every_change(pagertree: SimulatedPagerTree) -> None:
    before = pagertree.simulator.options
    await pagertree.created()
    pagertree.simulator.fail_next("internal_error")
    pagertree.simulator.change(lost_response=1)
    assert (await control(pagertree, "POST", "/reset")).status_code == 204
    assert pagertree.simulator.options == before
    assert pagertree.simulator.requests() == []
    assert (await pagertree.created())["tiny_id"] == 1

"""Alerts of the simulated API: what is taken, kept, refused and done."""

from typing import Any

import pytest

from tests.support.pagertree import SimulatedPagerTree

INCIDENT = {"incident": True, "incident_severity": "SEV-2", "incident_message": "We look."}


async def test_a_created_alert_is_answered_bare_and_queued(pagertree: SimulatedPagerTree) -> None:
    team = pagertree.simulator.directory.teams[0]
    alert = await pagertree.created(title="Disk full", description="d", tags=["a"], meta=INCIDENT)
    assert (alert["title"], alert["status"], alert["urgency"]) == ("Disk full", "queued", "high")
    assert (len(alert["id"]), alert["prefix_id"][:4]) == (26, "alt_")
    assert alert["destination_team_ids"] == [team.id]
    assert alert["incident"] is True
    for id_ in (alert["id"], alert["prefix_id"]):
        assert (await pagertree.client.get(f"alerts/{id_}")).json()["id"] == alert["id"]


@pytest.mark.parametrize("kind", ["team", "router", "account_user"])
@pytest.mark.parametrize("form", ["id", "prefix_id"])
async def test_every_kind_of_destination_is_taken(
    pagertree: SimulatedPagerTree, kind: str, form: str
) -> None:
    thing = getattr(pagertree.simulator.directory, f"{kind}s")[1]
    key = f"destination_{kind}_ids"
    alert = await pagertree.created(**{"destination_team_ids": None, key: [getattr(thing, form)]})
    assert alert[key] == [thing.id]


async def test_unknown_parameters_are_dropped_without_a_word(pagertree: SimulatedPagerTree) -> None:
    alert = await pagertree.created(
        status="resolved", dedup_keys=["k"], source_id="s", meta={**INCIDENT, "runbook": "u"}
    )
    assert (alert["status"], alert["dedup_keys"]) == ("queued", [])
    assert alert["source_id"] != "s"
    assert alert["meta"].keys() == INCIDENT.keys()
    await pagertree.client.put(f"alerts/{alert['id']}", json={"status": "open", "meta": {"x": 1}})
    assert (await pagertree.client.get(f"alerts/{alert['id']}")).json()["meta"] == {}


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"title": None}, ["title can't be blank"]),
        ({"title": " "}, ["title can't be blank"]),
        ({"urgency": None}, ["urgency can't be blank"]),
        ({"urgency": "auto"}, ["urgency is not included in the list"]),
        ({"destination_team_ids": None}, ["must have at least one destination"]),
        ({"destination_team_ids": []}, ["must have at least one destination"]),
        ({"destination_team_ids": ["x"]}, ["destination_team_id x does not exist"]),
        ({"meta": {"incident": True}}, ["incident_severity can't be blank"]),
        (
            {"meta": {"incident": True, "incident_severity": "SEV-9"}},
            ["incident_severity is not included in the list"],
        ),
        ({"title": "", "urgency": ""}, ["title can't be blank", "urgency can't be blank"]),
    ],
)
async def test_an_invalid_alert_is_refused_and_nothing_is_kept(
    pagertree: SimulatedPagerTree, fields: dict[str, Any], messages: list[str]
) -> None:
    response = await pagertree.create(**fields)
    errors = [{"message": message} for message in messages]
    assert (response.status_code, response.json()) == (422, {"errors": errors, "code": 422})
    assert pagertree.simulator.alerts() == []


async def test_a_destination_must_be_of_the_kind_that_is_named(
    pagertree: SimulatedPagerTree,
) -> None:
    router = pagertree.simulator.directory.routers[0]
    assert (await pagertree.create(destination_team_ids=[router.id])).status_code == 422


@pytest.mark.parametrize("urgency", ["silent", "low", "medium", "high", "critical"])
async def test_every_urgency_is_taken(pagertree: SimulatedPagerTree, urgency: str) -> None:
    assert (await pagertree.created(urgency=urgency))["urgency"] == urgency


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"'])
async def test_a_body_that_is_no_object_is_a_bad_request(
    pagertree: SimulatedPagerTree, body: bytes
) -> None:
    assert (await pagertree.client.post("alerts", content=body)).status_code == 400


async def test_an_update_changes_what_is_given_and_is_checked(
    pagertree: SimulatedPagerTree,
) -> None:
    alert = await pagertree.created(tags=["a"])
    other = pagertree.simulator.directory.teams[1]
    path = f"alerts/{alert['id']}"
    body = {"title": "new", "destination_team_ids": [other.id]}
    after = (await pagertree.client.put(path, json=body)).json()
    assert (after["title"], after["tags"], after["urgency"]) == ("new", ["a"], "high")
    assert after["destination_team_ids"] == [other.id]
    assert after["updated_at"] > alert["updated_at"]
    for wrong in ({"title": ""}, {"urgency": "loud"}, {"destination_team_ids": ["x"]}):
        assert (await pagertree.client.put(path, json=wrong)).status_code == 422
    assert (await pagertree.client.get(path)).json()["title"] == "new"
    assert (await pagertree.client.patch(path, json=body)).status_code == 405


async def test_a_deleted_alert_is_gone(pagertree: SimulatedPagerTree) -> None:
    alert = await pagertree.created()
    deleted = await pagertree.client.delete(f"alerts/{alert['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await pagertree.client.get(f"alerts/{alert['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("action", "statuses"),
    [
        ("acknowledge", {"open", "dropped", "suppressed"}),
        ("reject", {"open"}),
        ("resolve", {"open", "dropped", "acknowledged"}),
    ],
)
@pytest.mark.parametrize(
    "status", ["queued", "open", "dropped", "suppressed", "acknowledged", "resolved"]
)
async def test_an_action_wants_certain_statuses(
    pagertree: SimulatedPagerTree, action: str, statuses: set[str], status: str
) -> None:
    pagertree.simulator.change(queued_s=3600)
    alert = pagertree.simulator.add_alert(status=status)
    response = await pagertree.client.post(f"alerts/{alert['id']}/{action}")
    assert response.status_code == (200 if status in statuses else 422)
    if response.is_success:
        after = {"acknowledge": "acknowledged", "reject": status, "resolve": "resolved"}[action]
        assert response.json()["status"] == after
    else:
        assert f"alert is {status}" in response.json()["errors"][0]["message"]


async def test_actions_keep_the_time_at_which_they_happened_first(
    pagertree: SimulatedPagerTree,
) -> None:
    alert = pagertree.simulator.add_alert(status="open")
    path = f"alerts/{alert['prefix_id']}"
    first = (await pagertree.client.post(f"{path}/acknowledge")).json()
    pagertree.simulator.act(alert["id"], "handoff")
    again = (await pagertree.client.post(f"{path}/acknowledge")).json()
    assert first["acknowledged_at"] == again["acknowledged_at"] is not None
    resolved = (await pagertree.client.post(f"{path}/resolve")).json()
    assert resolved["resolved_at"] == resolved["updated_at"] > again["updated_at"]


async def test_comments_are_kept_and_listed(pagertree: SimulatedPagerTree) -> None:
    alert = await pagertree.created()
    path = f"alerts/{alert['id']}/comments"
    assert (await pagertree.client.post(path, json={"body": " "})).status_code == 422
    made = (await pagertree.client.post(path, json={"body": "I look."})).json()
    page = (await pagertree.client.get(path)).json()
    assert page == {"data": [made], "has_more": False, "total_count": 1}
    assert made["body"] == "I look."
    assert made["created_by_name"] == pagertree.simulator.directory.account_users[0].name

"""`/v1/teams`, `/v1/users`, `/v1/routers` and who is on call, as an integrator asks for them."""

from typing import Any
from uuid import uuid4

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.integrations import service
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import Vault
from tests.integrations.conftest import connect
from tests.support.lists import Lists, team
from tests.support.pagertree import API_KEY, simulated_pagertree

TEAM_ID = "01TEAM00000000000000000001"


@pytest.fixture
async def synced(api: AsyncClient, integration: Integration) -> Integration:
    answer = await sync(api, integration)
    assert answer.status_code == 200, answer.text
    return integration


async def sync(api: AsyncClient, integration: Integration) -> Response:
    return await api.post(f"/v1/integrations/{integration.id}/sync")


async def names(api: AsyncClient, path: str, **parameters: Any) -> list[str]:
    """Return the names of a list, in order."""
    answer = await api.get(f"/v1/{path}", params=parameters)
    assert answer.status_code == 200, answer.text
    return sorted(row["attributes"]["name"] for row in answer.json()["data"])


async def test_a_sync_on_demand_answers_what_it_found(
    api: AsyncClient, integration: Integration, lists: Lists
) -> None:
    answer = await sync(api, integration)
    assert answer.json()["data"] == {
        "id": str(integration.id),
        "type": "directory_syncs",
        "attributes": {"teams": 2, "users": 2, "routers": 1, "added": 5, "missing": 0}
        | {"doubt": None},
    }
    lists.rows["routers"].clear()
    doubted = (await sync(api, integration)).json()["data"]["attributes"]
    assert "only 0 of the 1 routers" in doubted["doubt"]
    answer = await api.post(f"/v1/integrations/{integration.id}/sync?believe=true")
    again = answer.json()["data"]["attributes"]
    assert (again["added"], again["missing"]) == (0, 1)
    shown = (await api.get(f"/v1/integrations/{integration.id}")).json()["data"]["attributes"]
    assert shown["directory_synced_at"]
    assert shown["directory_error"] is None


@pytest.mark.usefixtures("synced")
async def test_the_lists_show_what_pagertree_has(api: AsyncClient) -> None:
    assert await names(api, "teams") == ["Checkout", "SRE"]
    assert await names(api, "users") == ["Ben Okafor", "Olivia Ortiz"]
    assert await names(api, "routers") == ["Business Hours"]


async def test_a_team_is_shown_by_each_of_its_ids(api: AsyncClient, synced: Integration) -> None:
    (listed,) = (await api.get("/v1/teams?filter[name]=SRE")).json()["data"]
    for reference in (listed["id"], TEAM_ID, "tem_1"):
        answer = await api.get(f"/v1/teams/{reference}")
        assert answer.json()["data"] == listed
    assert listed["type"] == "groups"
    attributes = listed["attributes"]
    assert attributes["integration_id"] == str(synced.id)
    assert (attributes["pagertree_id"], attributes["prefix_id"]) == (TEAM_ID, "tem_1")
    assert attributes["fetched_at"]
    assert attributes["missing_since"] is None


@pytest.mark.usefixtures("synced")
async def test_a_user_is_shown_with_the_addresses(api: AsyncClient) -> None:
    user = (await api.get("/v1/users/usr_1")).json()["data"]
    assert user["type"] == "users"
    assert user["attributes"]["full_name"] == user["attributes"]["name"] == "Olivia Ortiz"
    assert user["attributes"]["email"] == "olivia@acme.test"
    assert user["attributes"]["emails"] == ["olivia@acme.test", "olivia@private.test"]
    assert (await api.get("/v1/routers/rtr_1")).json()["data"]["type"] == "routers"


@pytest.mark.usefixtures("synced")
@pytest.mark.parametrize(
    "path", ["teams/tem_9", "teams/usr_1", "users/tem_1", "routers/SRE", "teams/%00", "teams/%F0"]
)
async def test_an_id_that_is_none_of_the_kind_is_404(api: AsyncClient, path: str) -> None:
    assert (await api.get(f"/v1/{path}")).status_code == 404
    assert (await api.get(f"/v1/teams/{uuid4()}")).status_code == 404


async def test_lists_are_filtered_by_account_name_and_address(
    api: AsyncClient, synced: Integration, sessions: Sessions, http: AsyncClient, vault: Vault
) -> None:
    async with Lists.served() as elsewhere:
        elsewhere.rows["teams"] = [team(7, "SRE")]
        other = await connect(sessions, elsewhere, http, vault, name="other")
        await sync(api, other)
    assert await names(api, "teams") == ["Checkout", "SRE", "SRE"]
    assert await names(api, "teams", **{"filter[integration_id]": str(other.id)}) == ["SRE"]
    only = {"filter[integration_id]": str(synced.id), "filter[name][not_eq]": "SRE"}
    assert await names(api, "teams", **only) == ["Checkout"]
    for address in ("olivia@private.test", "OLIVIA@acme.test", "x@y,olivia@acme.test"):
        assert await names(api, "users", **{"filter[email]": address}) == ["Olivia Ortiz"]
    not_hers = {"filter[email][not_eq]": "olivia@acme.test"}
    assert await names(api, "users", **not_hers) == ["Ben Okafor"]
    for path, parameter in (("teams", "filter[email]"), ("users", "filter[kind]")):
        refused = await api.get(f"/v1/{path}", params={parameter: "x"})
        assert refused.json()["errors"][0]["source"] == {"parameter": parameter}
    nul = await api.get("/v1/users", params={"filter[email]": "\x00"})
    assert nul.status_code == 422


async def test_an_id_that_two_accounts_have_is_asked_about(
    api: AsyncClient,
    synced: Integration,
    sessions: Sessions,
    http: AsyncClient,
    vault: Vault,
    lists: Lists,
) -> None:
    twin = await connect(sessions, lists, http, vault, name="twin")
    await sync(api, twin)
    answer = await api.get("/v1/teams/tem_1")
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    ids = [row["id"] for row in (await api.get("/v1/teams?filter[name]=SRE")).json()["data"]]
    assert [own for own in ids if own in error["detail"]] == ids
    async with sessions.begin() as session:
        await service.remove_integration(session, twin.id)
    left = (await api.get("/v1/teams/tem_1")).json()["data"]["attributes"]
    assert left["integration_id"] == str(synced.id)
    assert await names(api, "teams") == ["Checkout", "SRE"]
    for own in ids:
        assert (await api.get(f"/v1/teams/{own}")).status_code == 200, "pages name it"


@pytest.mark.usefixtures("synced")
async def test_who_is_on_call_is_asked_of_pagertree_and_named(
    api: AsyncClient, lists: Lists
) -> None:
    start, end = "2026-03-01T09:00:00Z", "2026-03-08T09:00:00Z"
    lists.oncalls[TEAM_ID] = [
        {"layer": 2, "attendees": [{"attendee_id": "01STRANGER"}]},
        {
            "layer": 1,
            "start_time": start,
            "end_time": end,
            "attendees": [
                {"attendee_id": "01USER00000000000000000001"},
                {"attendee_id": "01USER00000000000000000002"},
            ],
        },
    ]
    answer = await api.get("/v1/teams/tem_1/current_oncall")
    data = answer.json()["data"]
    team_row = (await api.get("/v1/teams/tem_1")).json()["data"]
    assert (data["type"], data["id"]) == ("current_oncalls", team_row["id"])
    assert data["attributes"]["team"] == "SRE"
    first, second = data["attributes"]["layers"]
    assert (first["layer"], second["layer"]) == (1, 2)
    assert [user["name"] for user in first["users"]] == ["Olivia Ortiz", "Ben Okafor"]
    olivia = (await api.get("/v1/users/usr_1")).json()["data"]
    assert first["users"][0] == {
        "id": olivia["id"],
        "pagertree_id": "01USER00000000000000000001",
        "name": "Olivia Ortiz",
        "email": "olivia@acme.test",
        "start_at": "2026-03-01T09:00:00.000Z",
        "end_at": "2026-03-08T09:00:00.000Z",
    }
    (stranger,) = second["users"]
    assert (stranger["pagertree_id"], stranger["name"], stranger["id"]) == (
        "01STRANGER",
        None,
        None,
    )
    nobody = await api.get("/v1/teams/tem_2/current_oncall")
    assert nobody.json()["data"]["attributes"]["layers"] == []


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (500, "pagertree_unavailable"),
        (404, "pagertree_error"),
        (401, "pagertree_error"),
        (302, "pagertree_contract"),
    ],
)
async def test_what_pagertree_refuses_is_no_fault_of_the_request(
    api: AsyncClient, synced: Integration, lists: Lists, status: int, code: str
) -> None:
    lists.refusing |= {"current_oncall": status, "teams": status}
    asked = await api.get("/v1/teams/tem_1/current_oncall")
    synchronised = await sync(api, synced)
    for answer in (asked, synchronised):
        assert answer.status_code == 502
        (error,) = answer.json()["errors"]
        assert (error["code"], error["status"]) == (code, "502")
    shown = (await api.get(f"/v1/integrations/{synced.id}")).json()["data"]["attributes"]
    assert shown["directory_error"] == synchronised.json()["errors"][0]["detail"]


async def test_an_account_that_cannot_be_asked_says_why(
    api: AsyncClient, synced: Integration, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        await service.change_integration(session, synced.id, api_key_encrypted=None)
    for answer in (await api.get("/v1/teams/tem_1/current_oncall"), await sync(api, synced)):
        assert answer.status_code == 422
        assert "has no API key" in answer.json()["errors"][0]["detail"]
    own = (await api.get("/v1/teams/tem_1")).json()["data"]["id"]
    await api.delete(f"/v1/integrations/{synced.id}")
    assert (await api.get(f"/v1/teams/{own}/current_oncall")).status_code == 404
    assert (await sync(api, synced)).status_code == 404


@pytest.mark.parametrize(("scope", "status"), [(Scope.READ, 403), (Scope.WRITE, 200)])
async def test_syncing_needs_a_key_that_may_write(
    api: AsyncClient, synced: Integration, sessions: Sessions, scope: Scope, status: int
) -> None:
    async with sessions.begin() as session:
        key = await create_key(session, "other", [scope])
    api.headers["authorization"] = f"Bearer {key.token}"
    assert (await sync(api, synced)).status_code == status
    assert (await api.get("/v1/teams")).status_code == 200


async def test_the_simulated_account_is_shown_with_whoever_is_on_call(api: AsyncClient) -> None:
    async with simulated_pagertree() as pagertree:
        attributes = {"name": "acme", "api_key": API_KEY, "pagertree_url": pagertree.api_url}
        body = {"data": {"type": "integrations", "attributes": attributes}}
        made = (await api.post("/v1/integrations", json=body)).json()["data"]
        await api.post(f"/v1/integrations/{made['id']}/sync")
        theirs = pagertree.simulator.directory
        assert await names(api, "teams") == sorted(team.name for team in theirs.teams)
        assert await names(api, "users") == sorted(user.name for user in theirs.account_users)
        assert await names(api, "routers") == sorted(router.name for router in theirs.routers)
        for team_there in theirs.teams:
            answer = await api.get(f"/v1/teams/{team_there.prefix_id}/current_oncall")
            layers = answer.json()["data"]["attributes"]["layers"]
            people = [user["name"] for layer in layers for user in layer["users"]]
            assert people == [user.name for user in team_there.on_call]

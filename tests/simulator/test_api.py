"""The simulated API at its HTTP edge: who is let in, and what it shows."""

from typing import Any

import pytest

from tests.support.pagertree import API_KEY, SimulatedPagerTree

COLLECTIONS = ["teams", "account_users", "routers", "users", "alerts"]
THINGS = ["teams", "account_users", "routers", "users"]


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_list_is_a_page(pagertree: SimulatedPagerTree, collection: str) -> None:
    page = (await pagertree.client.get(collection, params={"limit": 1})).json()
    assert page.keys() == {"data", "has_more", "total_count"}
    assert len(page["data"]) == min(1, page["total_count"])
    assert page["has_more"] == (page["total_count"] > 1)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nope", f"Basic {API_KEY}"])
@pytest.mark.parametrize("path", ["teams", "nothing"])
async def test_a_wrong_key_is_refused(
    pagertree: SimulatedPagerTree, header: str, path: str
) -> None:
    response = await pagertree.client.get(path, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json() == {"errors": [{"message": "No valid API key provided."}], "code": 401}


async def test_a_key_can_be_revoked_and_given_back(pagertree: SimulatedPagerTree) -> None:
    for is_refused, status in ((True, 401), (False, 200)):
        pagertree.simulator.change(key_refused=is_refused)
        assert (await pagertree.client.get("teams")).status_code == status


@pytest.mark.parametrize("path", ["nothing", "teams/1", "alerts/1", "users/1", "teams/1/alerts"])
async def test_what_is_not_there_is_not_found(pagertree: SimulatedPagerTree, path: str) -> None:
    response = await pagertree.client.get(path)
    assert response.status_code == 404
    assert response.json() == {"errors": [{"message": "Not Found"}], "code": 404}


async def test_a_method_that_is_not_there_has_an_error_of_the_same_shape(
    pagertree: SimulatedPagerTree,
) -> None:
    response = await pagertree.client.delete("teams")
    assert response.status_code == 405
    assert response.json()["code"] == 405
    assert "GET" in response.headers["allow"]


@pytest.mark.parametrize("collection", THINGS)
async def test_a_thing_is_shown_under_both_of_its_ids(
    pagertree: SimulatedPagerTree, collection: str
) -> None:
    thing = (await pagertree.client.get(collection)).json()["data"][0]
    assert len(thing["id"]) == 26
    for id_ in (thing["id"], thing["prefix_id"]):
        assert (await pagertree.client.get(f"{collection}/{id_}")).json() == thing


async def test_an_account_user_has_a_name_and_a_primary_address(
    pagertree: SimulatedPagerTree,
) -> None:
    person = pagertree.simulator.directory.account_users[0]
    shown = (await pagertree.client.get(f"account_users/{person.id}")).json()
    primary = [entry["email"] for entry in shown["user"]["emails"] if entry["primary"]]
    assert (shown["user"]["name"], primary) == (person.name, [person.email])
    found = await pagertree.client.get("account_users", params={"q": person.email.upper()})
    assert [row["id"] for row in found.json()["data"]] == [person.id]


async def test_who_is_on_call_is_a_bare_list(pagertree: SimulatedPagerTree) -> None:
    directory = pagertree.simulator.directory
    answers: dict[str, Any] = {}
    for team in (directory.teams[0], directory.team("Night Watch")):
        answers[team.name] = (await pagertree.client.get(f"teams/{team.id}/current_oncall")).json()
    on_call = directory.teams[0].on_call[0]
    ((layer,), nobody) = answers.values()
    assert layer["attendees"] == [{"attendee_id": on_call.id}]
    assert layer.keys() == {"layer", "start_time", "end_time", "attendees"}
    assert nobody == []


async def test_two_teams_share_a_name_if_that_is_wanted(pagertree: SimulatedPagerTree) -> None:
    for is_wanted in (False, True):
        pagertree.simulator.change(same_name_teams=is_wanted)
        pagertree.simulator.reset(pagertree.simulator.options)
        teams = (await pagertree.client.get("teams", params={"limit": 100})).json()["data"]
        names = [team["name"] for team in teams]
        assert (len(names) > len(set(names))) == is_wanted

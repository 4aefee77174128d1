"""Teams and users are changed, taken in and removed, while PagerTree goes on deciding the rest."""

import asyncio
from typing import Any

import pytest

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.integrations import service
from pagersync.integrations.models import Integration
from pagersync.integrations.vault import Vault
from tests.integrations.conftest import connect
from tests.support.lists import Lists, team, user

MEMBER = user(1, "")["id"]


@pytest.fixture(autouse=True)
async def synced(api: AsyncClient, integration: Integration, lists: Lists) -> Integration:
    lists.rows["teams"][0]["member_account_user_ids"] = [MEMBER, "01GONE", None, 7]
    await sync(api, integration)
    return integration


async def sync(api: AsyncClient, integration: Integration) -> None:
    answer = await api.post(f"/v1/integrations/{integration.id}/sync?believe=true")
    assert answer.status_code == 200, answer.text


def body(attributes: dict[str, Any], type_: str = "groups") -> dict[str, Any]:
    return {"data": {"type": type_, "attributes": attributes}}


async def take(api: AsyncClient, **attributes: Any) -> Response:
    return await api.post("/v1/teams", json=body(attributes))


async def change(
    api: AsyncClient, path: str, to: dict[str, Any], *, of: str | None = None
) -> Response:
    """Change something, made of the version `of`."""
    type_ = "groups" if path.startswith("teams") else "users"
    headers = {"If-Match": of} if of else {}
    return await api.put(f"/v1/{path}", json=body(to, type_), headers=headers)


def said(answer: Response) -> tuple[int, str, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error.get("source", {}).get("pointer", ""), error["detail"]


async def test_no_sync_changes_what_is_kept_here(
    api: AsyncClient, synced: Integration, lists: Lists
) -> None:
    kept = {"description": "On call", "color": "#00C853", "position": 2, "external_id": "x-1"}
    await change(api, "teams/tem_1", kept)
    await change(api, "users/usr_1", {"first_name": "Olivia", "last_name": "Ortiz"})
    lists.rows["teams"][0]["name"] = "Site Reliability"
    lists.rows["account_users"][0]["user"]["name"] = "Olivia O."
    await sync(api, synced)
    shown = (await api.get("/v1/teams/site-reliability")).json()["data"]["attributes"]
    assert shown["name"] == "Site Reliability"
    assert kept.items() <= shown.items()
    person = (await api.get("/v1/users/usr_1")).json()["data"]["attributes"]
    assert (person["full_name"], person["first_name"]) == ("Olivia O.", "Olivia")
    emptied = await change(api, "teams/tem_1", {"description": None, "position": None})
    assert emptied.json()["data"]["attributes"]["description"] is None
    assert emptied.json()["data"]["attributes"]["color"] == "#00C853"


@pytest.mark.parametrize(
    ("path", "to"), [("teams/tem_1", {"color": "#00C853"}), ("users/usr_1", {"first_name": "O"})]
)
async def test_a_change_made_of_an_older_version_is_412(
    api: AsyncClient, synced: Integration, lists: Lists, path: str, to: dict[str, Any]
) -> None:
    async def remove(tag: str) -> int:
        return (await api.delete(f"/v1/{path}", headers={"If-Match": tag})).status_code

    old = (await api.get(f"/v1/{path}")).headers["ETag"]
    new = (await change(api, path, to, of=old)).headers["ETag"]
    assert new != old
    again = await change(api, path, to, of=new)
    assert again.headers["ETag"] == new, "nothing changed"
    assert (await change(api, path, to, of=old)).status_code == 412
    for rows in lists.rows.values():
        rows.clear()
    await sync(api, synced)
    assert await remove(new) == 412, "that it is missing is news"
    assert await remove((await api.get(f"/v1/{path}")).headers["ETag"]) == 200


async def test_a_sync_that_finds_nothing_new_makes_no_version(
    api: AsyncClient, synced: Integration
) -> None:
    before = await api.get("/v1/teams/tem_1")
    await sync(api, synced)
    after = await api.get("/v1/teams/tem_1")
    assert after.headers["ETag"] == before.headers["ETag"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "Payments"}, "name"),
    ({"slug": "payments"}, "slug"),
    ({"pagertree_id": "tem_2"}, "pagertree_id"),
    ({"name": None}, "name"),
    ({"name": ""}, "name"),
    ({"user_ids": [1]}, "user_ids"),
    ({"notify_emails": ["a@example.com"]}, "notify_emails"),
    ({"slack_channels": [{"id": "C1", "name": "ops"}]}, "slack_channels"),
    ({"alert_broadcast_enabled": True}, "alert_broadcast_enabled"),
    ({"color": "red"}, "color"),
    ({"position": -1}, "position"),
    ({"description": "\x00"}, "description"),
    ({"members": []}, "members"),
]


async def test_what_cannot_be_changed_here_is_said(api: AsyncClient) -> None:
    before = (await api.get("/v1/teams/tem_1")).json()
    for attributes, pointer in REFUSED:
        answer = await change(api, "teams/tem_1", {"color": "#FFFFFF"} | attributes)
        status, where, _ = said(answer)
        assert (status, where) == (422, f"/data/attributes/{pointer}")
    assert (await api.get("/v1/teams/tem_1")).json() == before
    status, where, _ = said(await change(api, "users/usr_1", {"role_id": "1"}))
    assert (status, where) == (422, "/data/attributes/role_id")


async def test_a_team_can_be_sent_back_as_it_was_read(api: AsyncClient) -> None:
    names = ("name", "slug", "pagertree_id", "backstage_id", "user_ids", "alerts_email_enabled")
    shown = (await api.get("/v1/teams/tem_1")).json()["data"]["attributes"]
    answer = await change(api, "teams/tem_1", {name: shown[name] for name in names})
    assert answer.json()["data"]["attributes"] == shown
    ignored = await change(api, "teams/tem_1", {"backstage_id": "b", "name": " sre "})
    assert ignored.json()["data"]["attributes"] == shown


async def test_a_team_is_taken_in_by_its_name_or_id(api: AsyncClient) -> None:
    own = (await api.get("/v1/teams/tem_1")).json()["data"]["id"]
    for given in ({"name": " sre "}, {"name": "SRE", "pagertree_id": "tem_1"}):
        answer = await take(api, **given, color="#00C853", description=None)
        assert answer.status_code == 201, answer.text
        assert answer.json()["data"]["id"] == own
        assert answer.json()["data"]["attributes"]["color"] == "#00C853"
        assert answer.headers["ETag"] == '"2"'


NOT_TAKEN: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "Payments"}, "name", "teams are made in PagerTree"),
    ({"name": " "}, "name", "teams are made in PagerTree"),
    ({"name": "SRE", "pagertree_id": "tem_9"}, "pagertree_id", "/sync"),
    ({"name": "SRE", "pagertree_id": "tem_2"}, "name", "it is 'Checkout'"),
    ({"name": "SRE", "slug": "other"}, "slug", "it is 'sre'"),
    ({"name": "SRE", "admin_ids": [1]}, "admin_ids", "leave it out"),
]


async def test_no_team_is_made_here(api: AsyncClient) -> None:
    for given, pointer, words in NOT_TAKEN:
        status, where, detail = said(await take(api, **given))
        assert (status, where) == (422, f"/data/attributes/{pointer}")
        assert words in detail
    assert len((await api.get("/v1/teams")).json()["data"]) == 2


async def test_a_name_that_two_teams_have_is_asked_about(
    api: AsyncClient, sessions: Sessions, http: AsyncClient, vault: Vault
) -> None:
    async with Lists.served() as elsewhere:
        elsewhere.rows["teams"] = [team(7, "SRE")]
        other = await connect(sessions, elsewhere, http, vault, name="other")
        await sync(api, other)
    status, where, detail = said(await take(api, name="SRE"))
    assert (status, where) == (422, "/data/attributes/name")
    listed = (await api.get("/v1/teams?filter[slug]=sre")).json()["data"]
    assert all(row["id"] in detail for row in listed)
    for row in listed:
        taken = await take(api, name="SRE", pagertree_id=row["id"])
        assert taken.json()["data"]["id"] == row["id"]
    assert (await api.get("/v1/teams/sre")).status_code == 422
    async with sessions.begin() as session:
        await service.remove_integration(session, other.id)
    assert (await take(api, name="SRE")).status_code == 201
    gone = next(row for row in listed if row["attributes"]["integration_id"] == str(other.id))
    assert (await change(api, f"teams/{gone['id']}", {"color": "#00C853"})).status_code == 404
    assert (await api.get(f"/v1/teams/{gone['id']}")).status_code == 200


@pytest.mark.parametrize(("kind", "reference"), [("teams", "tem_1"), ("users", "usr_1")])
async def test_only_what_pagertree_no_longer_lists_is_removed(
    api: AsyncClient, synced: Integration, lists: Lists, kind: str, reference: str
) -> None:
    status, _, detail = said(await api.delete(f"/v1/{kind}/{reference}"))
    assert (status, "remove it there first" in detail) == (409, True)
    rows = lists.rows["teams" if kind == "teams" else "account_users"]
    first = rows.pop(0)
    await sync(api, synced)
    shown = (await api.get(f"/v1/{kind}/{reference}")).json()["data"]
    removed = await api.delete(f"/v1/{kind}/{reference}")
    assert (removed.status_code, removed.json()["data"]["id"]) == (200, shown["id"])
    await sync(api, synced)
    for path in (f"{kind}/{reference}", f"{kind}/{shown['id']}"):
        assert (await api.get(f"/v1/{path}")).status_code == 404
        assert (await api.delete(f"/v1/{path}")).status_code == 404
    assert len((await api.get(f"/v1/{kind}")).json()["data"]) == 1
    rows.insert(0, first)
    await sync(api, synced)
    back = (await api.get(f"/v1/{kind}/{reference}")).json()["data"]
    assert back["id"] == shown["id"], "PagerTree lists it again"
    assert back["attributes"]["missing_since"] is None


async def test_a_team_has_the_members_that_pagertree_says(
    api: AsyncClient, synced: Integration, lists: Lists
) -> None:
    shown = (await api.get("/v1/teams/tem_1?include=users,schedules&fields[users]=name")).json()
    (member,) = shown["included"]
    assert member["attributes"] == {"name": "Olivia Ortiz"}
    assert shown["data"]["relationships"] == {
        "users": {"data": [{"id": member["id"], "type": "users"}]},
        "schedules": {"data": []},
    }
    person = (await api.get(f"/v1/users/{member['id']}?include=teams,role")).json()
    assert [row["id"] for row in person["included"]] == [shown["data"]["id"]]
    assert person["data"]["relationships"]["role"] == {"data": None}
    lists.rows["teams"][0]["member_account_user_ids"] = []
    await sync(api, synced)
    assert (await api.get("/v1/teams/tem_1?include=users")).json()["included"] == []


async def test_changes_at_once_are_each_made(api: AsyncClient) -> None:
    changes: list[dict[str, Any]] = [{"color": "#00C853"}, {"position": 1}, {"description": "x"}]
    answers = await asyncio.gather(*[change(api, "teams/tem_1", each) for each in changes])
    assert {answer.headers["ETag"] for answer in answers} == {f'"{n}"' for n in range(2, 5)}
    shown = (await api.get("/v1/teams/tem_1")).json()["data"]["attributes"]
    assert all(each.items() <= shown.items() for each in changes)


async def test_a_team_without_latin_letters_has_its_id_for_a_slug(
    api: AsyncClient, synced: Integration, lists: Lists
) -> None:
    lists.rows["teams"] = [team(8, "決済"), team(9, "Équipe Données")]
    await sync(api, synced)
    slugs = {row["attributes"]["slug"] for row in (await api.get("/v1/teams")).json()["data"]}
    assert {"tem_8", "equipe-donnees"} <= slugs


async def test_the_api_key_is_the_current_user(api: AsyncClient) -> None:
    me = (await api.get("/v1/users/me")).json()["data"]
    assert (me["type"], me["attributes"]["full_name"]) == ("users", "test")
    assert me["attributes"]["email"] == ""
    assert (await api.get(f"/v1/users/{me['id']}")).status_code == 404, "it is nobody's directory"

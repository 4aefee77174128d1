import asyncio
from typing import Any

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.base import new_id
from pagersync.http import AsyncClient, Response
from tests.paging.conftest import Paging


def page(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "pages", "attributes": {"title": "Down", **attributes}}}


def pointers(response: Response) -> set[str]:
    assert response.status_code == 422, response.text
    return {error["source"]["pointer"] for error in response.json()["errors"]}


async def test_a_page_names_its_targets_by_name_email_or_id(
    api: AsyncClient, directory: Paging
) -> None:
    account = directory.simulator.directory
    team, user, router = account.teams[0], account.account_users[0], account.routers[0]
    response = await api.post(
        "/v1/pages",
        json=page(
            teams=[{"name": team.name.upper()}],
            users=[{"name": user.email}],
            routers=[{"id": router.prefix_id}],
        ),
    )
    assert response.status_code == 202, response.text
    attributes = response.json()["data"]["attributes"]
    assert attributes["status"] == "queued"
    assert [target["pagertree_id"] for target in attributes["targets"]] == [
        team.id,
        user.id,
        router.id,
    ]
    (operation,) = attributes["operations"]
    assert (operation["kind"], operation["state"]) == ("create_alert", "queued")


async def test_a_dry_run_shows_what_would_be_sent_and_keeps_nothing(
    api: AsyncClient, directory: Paging
) -> None:
    team = directory.simulator.directory.teams[0]
    response = await api.post(
        "/v1/pages",
        json=page(teams=[{"name": team.name}], severity="critical", tags=["db"], dry_run=True),
    )
    assert response.status_code == 200, response.text
    attributes = response.json()["data"]["attributes"]
    assert [target["name"] for target in attributes["targets"]] == [team.name]
    assert attributes["body"] == {
        "title": "Down",
        "meta": {"incident": True, "incident_severity": "SEV-1"},
        "tags": ["db", "pagersync:<id>"],
        "thirdparty_id": "pagersync:<id>",
        "destination_team_ids": [team.id],
    }
    assert (await api.get("/v1/pages")).json()["data"] == []
    assert directory.simulator.alerts() == []


@pytest.mark.usefixtures("directory")
async def test_one_answer_names_everything_that_is_wrong(api: AsyncClient) -> None:
    response = await api.post(
        "/v1/pages",
        json=page(
            title=" ",
            urgency="loud",
            severity="awful",
            tags=["fine", "pagersync:mine"],
            expires_at="2020-01-01T00:00:00Z",
            teams=[{"name": "No such team"}, {}],
        ),
    )
    assert pointers(response) == {
        f"/data/attributes/{name}"
        for name in (
            "title",
            "urgency",
            "severity",
            "tags/1",
            "expires_at",
            "teams/0",
            "teams/1",
        )
    }
    assert (await api.get("/v1/pages")).json()["data"] == []
    assert (await api.get("/v1/operations")).json()["data"] == []


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({}, "teams"),
        ({"teams": []}, "teams"),
        ({"teams": [{"name": "Platform"}], "integration": "other"}, "integration"),
        ({"teams": [{"name": "Platform"}], "title": 5}, "title"),
        ({"teams": [{"name": "Platform"}], "urgent": True}, "urgent"),
        ({"teams": "Platform"}, "teams"),
    ],
)
@pytest.mark.usefixtures("directory")
async def test_what_cannot_be_right_is_refused_and_no_page_is_kept(
    api: AsyncClient, attributes: dict[str, Any], pointer: str
) -> None:
    response = await api.post("/v1/pages", json=page(**attributes))
    assert pointers(response) == {f"/data/attributes/{pointer}"}
    assert (await api.get("/v1/pages")).json()["data"] == []


async def test_paging_without_a_connected_account_says_what_to_do(api: AsyncClient) -> None:
    response = await api.post("/v1/pages", json=page(teams=[{"name": "Platform"}]))
    assert pointers(response) == {"/data/attributes/integration"}
    assert "integrations add" in response.text


async def test_a_key_that_may_only_read_pages_nobody(api: AsyncClient, directory: Paging) -> None:
    async with directory.sessions.begin() as session:
        token = (await create_key(session, "reader", [Scope.READ])).token
    headers = {"Authorization": f"Bearer {token}"}
    body = page(teams=[{"name": "Platform"}])
    assert (await api.post("/v1/pages", json=body, headers=headers)).status_code == 403
    headers = {"Authorization": "Bearer psk_wrong"}
    assert (await api.post("/v1/pages", json=body, headers=headers)).status_code == 401
    assert (await api.get("/v1/pages")).json()["data"] == []


async def test_a_page_is_shown_with_its_attempts_and_found_by_its_status(
    api: AsyncClient, directory: Paging
) -> None:
    created = await api.post("/v1/pages", json=page(teams=[{"name": "Platform"}], urgency="low"))
    page_id = created.json()["data"]["id"]
    await directory.reaches(page_id, "confirmed")
    shown = (await api.get(f"/v1/pages/{page_id}")).json()["data"]["attributes"]
    (operation,) = shown["operations"]
    (attempt,) = operation["attempts"]
    assert (attempt["method"], attempt["path"], attempt["error"]) == ("POST", "/alerts", None)
    listed = await api.get("/v1/pages", params={"filter[status]": "confirmed"})
    assert [row["id"] for row in listed.json()["data"]] == [page_id]
    none = await api.get("/v1/pages", params={"filter[status]": "failed"})
    assert none.json()["data"] == []
    alert = (await api.get(f"/v1/alerts/{shown['alert_id']}")).json()["data"]["attributes"]
    assert alert["external_id"] == shown["pagertree_alert_id"]


async def test_what_pagertree_refuses_is_failed_with_its_words_and_can_be_redriven(
    api: AsyncClient, directory: Paging
) -> None:
    page_id = await directory.page(
        targets=[{"kind": "team", "pagertree_id": "01GONE", "prefix_id": None, "name": "Gone"}]
    )
    await directory.reaches(page_id, "failed")
    (operation,) = (await api.get("/v1/operations?filter[state]=failed")).json()["data"]
    assert "destination" in operation["attributes"]["last_error"].lower()
    redriven = await api.post(f"/v1/operations/{operation['id']}/redrive")
    assert redriven.status_code == 202
    assert redriven.json()["data"]["attributes"]["state"] == "queued"
    await directory.reaches(page_id, "failed")
    again = await api.post(f"/v1/operations/{operation['id']}/redrive")
    assert again.status_code == 202
    assert await directory.events(page_id) == ["page.failed", "page.failed"]


async def test_only_what_was_not_sent_can_be_canceled(api: AsyncClient, directory: Paging) -> None:
    directory.simulator.change(key_refused=True)
    page_id = await directory.page()
    (operation,) = await directory.operations(page_id)

    async def canceled() -> Response:
        return await api.post(f"/v1/operations/{operation.id}/cancel")

    response = await canceled()
    while response.status_code == 409:  # it is just being tried
        response = await canceled()
    assert response.json()["data"]["attributes"]["state"] == "canceled"
    await directory.reaches(page_id, "canceled")
    assert (await canceled()).status_code == 409
    assert await directory.events(page_id) == ["page.canceled"]


async def test_there_is_no_page_and_no_operation_of_that_id(api: AsyncClient) -> None:
    assert (await api.get(f"/v1/pages/{new_id()}")).status_code == 404
    assert (await api.get(f"/v1/operations/{new_id()}")).status_code == 404
    assert (await api.post(f"/v1/operations/{new_id()}/redrive")).status_code == 404
    assert (await api.get("/v1/pages/nonsense")).status_code == 422


async def test_a_page_that_is_sent_twice_with_one_idempotency_key_is_one_page(
    service_api: AsyncClient, paging: Paging
) -> None:
    headers = {"Idempotency-Key": "incident-7"}
    body = page(teams=[{"name": "Platform"}], urgency="high")
    answers = await asyncio.gather(
        *(service_api.post("/v1/pages", json=body, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    await paging.reaches(answers[0].json()["data"]["id"], "confirmed")
    assert len(paging.simulator.alerts()) == 1
    other = page(teams=[{"name": "Payments"}])
    reused = await service_api.post("/v1/pages", json=other, headers=headers)
    assert (reused.status_code, reused.json()["errors"][0]["code"]) == (
        409,
        "idempotency_key_reused",
    )

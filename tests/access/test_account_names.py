"""Answers name the account of what they show: people know accounts by their names."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from pagersync.access.account_names import account_names
from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.database.session import driver_connection
from pagersync.http import AsyncClient
from pagersync.integrations import service
from pagersync.integrations.vault import open_vault
from pagersync.paging.models import Page
from pagersync.settings import Settings
from tests.support.account import event
from tests.support.lists import GOOD_KEY, Lists, router, team, user
from tests.support.wait import eventually

LISTS = (
    *("alerts", "api_keys", "deliveries", "domain_events", "operations", "pages", "routers"),
    *("teams", "users", "workflows", "workflows/w-acme/workflow_runs"),
)
"""All that show an account."""


def named(answer: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of an answer that show an account."""
    if isinstance(answer, list):
        for each in answer:
            yield from named(each)
    if isinstance(answer, dict):
        if "integration_name" in answer:
            yield answer
        for each in answer.values():
            yield from named(each)


async def send(api: AsyncClient, path: str, kind: str, **attributes: Any) -> dict[str, Any]:
    body = {"data": {"type": kind, "attributes": attributes}}
    answer = await api.post(path, json=body)
    assert answer.is_success, answer.text
    return dict(answer.json()["data"])


async def fill(  # what is made of an account
    name: str, lists: Lists, api: AsyncClient, sessions: Sessions, settings: Settings
) -> str:
    """Connect an account and make one of everything that can belong to it; return its id."""
    sealed = open_vault(settings).encrypt(GOOD_KEY)
    async with sessions.begin() as session:
        columns = {"pagertree_url": lists.url, "api_key_encrypted": sealed}
        new = await service.add_integration(session, name=name, **columns)
        await create_key(session, name, [Scope.READ], integration_id=new.integration.id)
    id_ = str(new.integration.id)
    hook = f"/webhooks/pagertree/{id_}?secret={new.webhook_secret}"
    assert (await api.post(hook, json=event("alert.open", f"alt_{name}"))).status_code == 202
    assert (await api.post(f"/v1/integrations/{id_}/sync")).status_code == 200
    await send(api, "/v1/pages", "pages", title=name, integration=name, teams=[{"name": "SRE"}])

    async def alert() -> str | None:
        found = (await api.get("/v1/alerts")).json()["data"]
        own = (row["id"] for row in found if row["attributes"]["integration_id"] == id_)
        return next(own, None)

    tasks = [{"name": "p", "task_params": {"task_type": "print", "message": "x"}}]
    params = {"trigger_type": "alert", "triggers": ["alert_created"]}
    saved = {"name": f"W {name}", "trigger_params": params, "tasks": tasks}
    await send(api, "/v1/workflows", "workflows", **saved, integration_id=id_)
    runs = f"/v1/workflows/w-{name}/workflow_runs"
    alert_id = await eventually(alert)
    await send(api, runs, "workflow_runs", alert_id=alert_id)
    await send(api, "/v1/incidents", "incidents", title=name, alert_ids=[alert_id])
    return id_


@pytest.fixture
async def names(api: AsyncClient, sessions: Sessions, settings: Settings) -> Any:
    """Two accounts that are connected, by their ids."""
    async with Lists.served() as lists:
        person = user(1, "Ben Okafor", "ben@example.com")
        lists.rows["teams"] = [{**team(1, "SRE"), "member_account_user_ids": [person["id"]]}]
        lists.rows["account_users"] = [person]
        lists.rows["routers"] = [router(1, "Business Hours")]
        made = {await fill(name, lists, api, sessions, settings): name for name in ("acme", "beta")}
        yield made


@pytest.mark.parametrize("path", LISTS)
async def test_lists_and_single_answers_say_what_the_account_is_called(
    api: AsyncClient, names: dict[str, str], path: str
) -> None:
    listed = (await api.get(f"/v1/{path}")).json()["data"]
    shown = {row["id"]: row["attributes"] for row in listed if row["attributes"]["integration_id"]}
    assert {each["integration_name"] for each in shown.values()} >= {"acme"}
    for id_, attributes in shown.items():
        assert attributes["integration_name"] == names[attributes["integration_id"]]
        alone = (await api.get(f"/v1/{path.rpartition('/')[2]}/{id_}")).json()["data"]
        every = [*named(alone)]
        assert every
        assert all(each["integration_name"] == names[each["integration_id"]] for each in every)


@pytest.mark.parametrize(
    ("path", "include"),
    [
        ("teams", "users"),
        ("users", "teams"),
        ("incidents", "alerts"),
        ("workflows", "genius_workflow_runs"),
    ],
)
async def test_what_is_included_names_its_account_too(
    api: AsyncClient, names: dict[str, str], path: str, include: str
) -> None:
    included = (await api.get(f"/v1/{path}?include={include}")).json()["included"]
    assert {each["integration_name"] for each in named(included)} >= {"acme"}
    for each in named(included):
        assert each["integration_name"] == names[each["integration_id"]]


async def test_what_belongs_to_no_account_has_no_name(api: AsyncClient) -> None:
    alert = await send(api, "/v1/alerts", "alerts", summary="x")
    assert alert["attributes"]["integration_name"] is None
    (key,) = (await api.get("/v1/api_keys")).json()["data"]
    assert key["attributes"]["integration_name"] is None


async def test_an_account_that_was_removed_keeps_its_name(
    api: AsyncClient, names: dict[str, str]
) -> None:
    acme = next(iter(names))
    assert (await api.delete(f"/v1/integrations/{acme}")).is_success
    own = (await api.get(f"/v1/pages?filter[integration_id]={acme}")).json()["data"]
    assert [row["attributes"]["integration_name"] for row in own] == ["acme"]


async def test_the_names_of_many_rows_take_one_query(sessions: Sessions) -> None:
    async with sessions.begin() as session:
        ids = [
            (await service.add_integration(session, name=name)).integration.id
            for name in ("acme", "beta")
        ]
        rows = [Page(id=new_id(), integration_id=id_) for id_ in [*ids, UUID(int=0)] * 50]
        connection = await driver_connection(session)
        queries: list[str] = []
        with connection.query_logger(lambda record: queries.append(record.query)):
            found = await account_names(session, rows)
    assert found == dict(zip(ids, ("acme", "beta"), strict=True))
    assert sum("integrations" in query for query in queries) == 1, queries

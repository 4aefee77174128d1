"""An API key that is bound to one integration: the others are not there for it."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, insert, select, table, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.keys import create_key
from pagersync.access.models import ApiKey, IdempotencyKey, Scope
from pagersync.alerts.models import Alert
from pagersync.app import create_app
from pagersync.database.base import Base
from pagersync.database.binding import SHARED
from pagersync.database.caller import CALLER, Caller
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.incidents.models import Incident, Severity
from pagersync.integrations import service
from pagersync.integrations.models import Integration, WebhookRefusal
from pagersync.integrations.vault import open_vault
from pagersync.pagination import Explain
from pagersync.paging.models import Page
from pagersync.settings import Settings
from tests.support.account import event
from tests.support.lists import GOOD_KEY, Lists, router, team, user
from tests.support.operations import operations_of
from tests.support.wait import eventually

BODIES: dict[str, dict[str, Any]] = {
    "createAlert": {"type": "alerts", "attributes": {"summary": "x"}},
    "updateAlert": {"type": "alerts", "attributes": {"summary": "x"}},
    "createAlertEvent": {
        "type": "alert_events",
        "attributes": {"kind": "note", "details": "x"},
    },
    "updateAlertEvent": {"type": "alert_events", "attributes": {"details": "x"}},
    "snoozeAlert": {
        "type": "alerts",
        "attributes": {"delay_minutes": 5, "teams": [{"name": "SRE"}]},
    },
    "createTeam": {"type": "groups", "attributes": {"name": "SRE"}},
    "updateTeam": {"type": "groups", "attributes": {"description": "x"}},
    "updateUser": {"type": "users", "attributes": {"first_name": "x"}},
    "escalateAlert": {"type": "alerts", "attributes": {"teams": [{"name": "SRE"}]}},
    "createPage": {
        "type": "pages",
        "attributes": {"title": "x", "teams": [{"name": "SRE"}]},
    },
    "changeIntegration": {"type": "integrations", "attributes": {"alerts_per_day_max": 9}},
}
"""Bodies of the operations that need one."""


@dataclass
class Tenant:
    """One account, everything that there is of it, and a key that is bound to it."""

    id: UUID
    name: str
    api: AsyncClient
    ids: dict[str, str]

    def url(self, path: str) -> str:
        """Return the address of one of its things."""
        kind = path.split("/")[2]
        return re.sub(r"{\w+}", lambda _: self.ids[kind], path)


@pytest.fixture
async def tenants(
    server: str, sessions: Sessions, settings: Settings, api: AsyncClient
) -> AsyncIterator[tuple[Tenant, Tenant]]:
    async with AsyncExitStack() as stack:
        made = []
        for name in ("ours", "theirs"):
            lists = await stack.enter_async_context(Lists.served())
            lists.rows["teams"] = [team(1, "SRE")]
            lists.rows["account_users"] = [user(1, "Ben Okafor", "ben@example.com")]
            lists.rows["routers"] = [router(1, "Business Hours")]
            made.append(await fill(stack, name, lists, server, sessions, settings, api))
        yield made[0], made[1]


async def fill(  # noqa: PLR0913, PLR0917 - what a tenant is made of
    stack: AsyncExitStack,
    name: str,
    lists: Lists,
    server: str,
    sessions: Sessions,
    settings: Settings,
    api: AsyncClient,
) -> Tenant:
    """Connect an account and give it one of everything."""
    async with sessions.begin() as session:
        sealed = open_vault(settings).encrypt(GOOD_KEY)
        columns = {"pagertree_url": lists.url, "api_key_encrypted": sealed}
        new = await service.add_integration(session, name=name, **columns)
        integration = str(new.integration.id)
        token = (
            await create_key(session, name, [Scope.ADMIN], integration_id=new.integration.id)
        ).token
    hook = f"{server}/webhooks/pagertree/{integration}?secret={new.webhook_secret}"
    delivered = (await api.post(hook, json=event("alert.open", f"alt_{name}"))).json()["data"]["id"]
    assert (await api.post(f"/v1/integrations/{integration}/sync")).status_code == 200
    body = {"title": name, "integration": name, "teams": [{"name": "SRE"}]}
    page = await api.post("/v1/pages", json={"data": {"type": "pages", "attributes": body}})
    assert page.status_code == 202, page.text

    async def first(path: str) -> str | None:
        found = (await api.get(f"/v1/{path}")).json()["data"]
        own = (row for row in found if row["attributes"]["integration_id"] == integration)
        return next((row["id"] for row in own), None)

    ids = {
        kind: await eventually(lambda kind=kind: first(kind))  # type: ignore[misc] # of this turn
        for kind in ("alerts", "pages", "operations", "teams", "users", "routers")
    }
    note = await api.post(
        f"/v1/alerts/{ids['alerts']}/events", json={"data": BODIES["createAlertEvent"]}
    )
    bound = AsyncClient(
        base_url=server, headers={"Authorization": f"Bearer {token}"}, trust_env=False
    )
    await stack.enter_async_context(bound)
    known = {**ids, "deliveries": delivered, "integrations": integration}
    known["alert_events"] = note.json()["data"]["id"]
    return Tenant(new.integration.id, name, bound, known)


async def test_nothing_of_another_integration_is_there_for_a_bound_key(
    tenants: tuple[Tenant, Tenant], settings: Settings
) -> None:
    ours, theirs = tenants
    seen = 0
    for operation in operations_of(create_app(settings)).values():
        assert operation.guard is not None, operation
        if "{" not in operation.path or not operation.guard.is_for_bound:
            continue
        seen += 1
        body = {"data": BODIES[operation.name]} if operation.name in BODIES else None
        answers = [
            await ours.api.request(operation.method, theirs.url(operation.path), json=body),
            await ours.api.request(
                operation.method, re.sub(r"{\w+}", str(uuid4()), operation.path), json=body
            ),
        ]
        for answer in answers:
            assert answer.status_code == 404, (operation, answer.text)
        told = [re.sub(r"[0-9a-f-]{36}", "ID", answer.text) for answer in answers]
        assert told[0] == told[1]
    assert seen > 20


async def test_a_bound_key_sees_and_changes_what_is_its_own(
    tenants: tuple[Tenant, Tenant], settings: Settings
) -> None:
    ours, theirs = tenants
    operations = operations_of(create_app(settings)).values()
    allowed = [each for each in operations if each.guard and each.guard.is_for_bound]
    for operation in sorted(allowed, key=lambda each: each.name == "removeIntegration"):
        if operation.name in {"getCurrentOncall", "getCurrentApiKey"}:
            continue
        body = {"data": BODIES[operation.name]} if operation.name in BODIES else None
        answer = await ours.api.request(operation.method, ours.url(operation.path), json=body)
        assert answer.status_code in {200, 201, 202, 204, 409}, (operation, answer.text)
        for secret in (str(theirs.id), theirs.name, *theirs.ids.values()):
            assert secret not in answer.text, operation


async def test_every_list_holds_and_counts_only_what_is_the_keys_own(
    tenants: tuple[Tenant, Tenant], api: AsyncClient, settings: Settings
) -> None:
    ours, theirs = tenants
    seen = 0
    for operation in operations_of(create_app(settings)).values():
        assert operation.guard is not None
        is_list = operation.method == "GET" and operation.name.startswith("list")
        if not is_list or not operation.guard.is_for_bound or "{" in operation.path:
            continue
        seen += 1
        every = (await api.get(operation.path)).json()
        mine, yours = [(await one.api.get(operation.path)).json() for one in tenants]
        assert mine["data"], operation
        counts = [each["meta"]["total_count"] for each in (mine, yours, every)]
        assert counts[0] + counts[1] == counts[2], operation
        ids = [{row["id"] for row in each["data"]} for each in (mine, yours)]
        assert not ids[0] & ids[1], operation
        filtered = await ours.api.get(f"{operation.path}?page[size]=1&page[number]=2")
        assert not ids[1] & {row["id"] for row in filtered.json()["data"]}
    assert seen == 9
    narrow = f"/v1/pages?filter[integration_id]={theirs.id}"
    assert (await ours.api.get(narrow)).json()["data"] == []


@pytest.mark.parametrize("path", ["/v1/pages", "/v1/alerts"])
async def test_a_bound_key_cannot_name_another_integration_or_an_incident(
    tenants: tuple[Tenant, Tenant], api: AsyncClient, path: str
) -> None:
    ours, theirs = tenants
    kind, text_ = ("pages", "title") if path == "/v1/pages" else ("alerts", "summary")

    async def post(**attributes: Any) -> int:
        given = {text_: "x", "teams": [{"name": "SRE"}], **attributes}
        body = {"data": {"type": kind, "attributes": given}}
        return (await ours.api.post(path, json=body)).status_code

    for integration in (str(theirs.id), theirs.name):
        assert await post(integration=integration) == 422
    assert await post(teams=[{"id": theirs.ids["teams"]}]) == 422
    if kind == "pages":
        body = {"data": {"type": "incidents", "attributes": {"title": "x"}}}
        incident = (await api.post("/v1/incidents", json=body)).json()["data"]["id"]
        assert await post(incident_id=incident) == 422
    assert await post() in {201, 202}, "of its own there is one, which needs no name"


async def test_a_bound_key_cannot_send_its_accounts_calls_to_another_host(
    tenants: tuple[Tenant, Tenant], api: AsyncClient
) -> None:
    ours, theirs = tenants
    path = f"/v1/integrations/{ours.id}"
    before = (await ours.api.get(path)).json()["data"]["attributes"]
    other = (await theirs.api.get(f"/v1/integrations/{theirs.id}")).json()["data"]["attributes"]

    async def change(client: AsyncClient, url: str) -> int:
        given = {"pagertree_url": url, "api_key": "k" * 20, "verify_api_key": False}
        body = {"data": {"type": "integrations", "attributes": given}}
        return (await client.patch(path, json=body)).status_code

    assert await change(ours.api, other["pagertree_url"]) == 403
    assert await change(ours.api, before["pagertree_url"]) == 200, "a key of its own it may set"
    assert (await ours.api.get(path)).json()["data"]["attributes"]["pagertree_url"] == (
        before["pagertree_url"]
    )
    assert await change(api, other["pagertree_url"]) == 200


async def test_a_bound_key_learns_no_name_of_another_integration(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = tenants

    async def rename(name: str) -> tuple[int, Any]:
        body = {"data": {"type": "integrations", "attributes": {"name": name}}}
        answer = await ours.api.patch(f"/v1/integrations/{ours.id}", json=body)
        return answer.status_code, [e["detail"] for e in answer.json().get("errors", ())]

    assert await rename(theirs.name) == await rename("nobody's")
    assert (await rename(ours.name))[0] == 200


async def test_a_bound_key_has_its_idempotency_keys_too(tenants: tuple[Tenant, Tenant]) -> None:
    ours, theirs = tenants
    body = {"data": BODIES["createPage"]}
    made = [
        (await each.api.post("/v1/pages", json=body, headers={"Idempotency-Key": "k"})).json()
        for each in (ours, ours, theirs)
    ]
    assert made[0]["data"] == made[1]["data"]
    assert made[2]["data"]["attributes"]["integration_id"] == str(theirs.id)


async def test_a_bulk_replay_touches_only_what_is_the_keys_own(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ours, theirs = tenants
    body = {"data": {"type": "replays", "attributes": {"dry_run": False}}}
    answer = (await ours.api.post("/v1/deliveries/replay", json=body)).json()
    assert answer["data"]["attributes"]["replayed"] == 1
    assert (await theirs.api.post("/v1/deliveries/replay")).json()["data"]["attributes"] == {
        "dry_run": True,
        "matched": 1,
        "replayed": 0,
    }


async def test_what_concerns_all_integrations_is_forbidden_to_a_bound_key(
    tenants: tuple[Tenant, Tenant], settings: Settings
) -> None:
    ours, _ = tenants
    forbidden = set()
    for operation in operations_of(create_app(settings)).values():
        if operation.guard is None or operation.guard.is_for_bound:
            continue
        forbidden.add(operation.name)
        answer = await ours.api.request(operation.method, re.sub(r"{\w+}", "x", operation.path))
        assert answer.status_code == 403, operation
    assert forbidden >= {"listIncidents", "createWorkflow", "createIntegration", "createApiKey"}
    shown = (await ours.api.get("/v1/api_keys/current")).json()["data"]["attributes"]
    assert shown["integration_id"] == str(ours.id)


@pytest.fixture
async def bound(sessions: Sessions) -> AsyncIterator[tuple[AsyncSession, UUID, UUID]]:
    """Yield a session of a caller who is bound, and the ids of two accounts."""
    async with sessions.begin() as session:
        made = [await service.add_integration(session, name=name) for name in ("one", "two")]
        session.add(Severity(name="x", slug="x", severity="high", position=1))
    one, two = (each.integration.id for each in made)
    token = CALLER.set(Caller(kind="api_key", integration_id=one))
    async with sessions() as session:
        yield session, one, two
    CALLER.reset(token)


async def test_whatever_a_bound_session_asks_it_sees_one_integration(
    bound: tuple[AsyncSession, UUID, UUID],
) -> None:
    session, one, two = bound
    assert (await session.scalars(select(Integration.id))).all() == [one]
    assert await session.get(Integration, two) is None
    assert (await session.scalars(select(Severity))).all() == []
    everywhere = select(Severity.id).where(Severity.id.in_(select(Integration.id)))
    assert (await session.scalars(everywhere)).all() == []
    hidden = select(select(Integration.id).where(Integration.id == two).exists())
    assert await session.scalar(select(Integration.id).where(hidden.scalar_subquery())) is None
    changed = await session.execute(update(Integration).values(enabled=False))
    assert changed.rowcount == 1  # type: ignore[attr-defined] # a CursorResult
    (plan,) = await session.scalar(Explain(select(Integration.id)))
    assert str(one) in str(plan)
    gone = await session.execute(delete(Severity))
    assert gone.rowcount == 0  # type: ignore[attr-defined] # a CursorResult


async def test_what_cannot_be_narrowed_is_refused(
    bound: tuple[AsyncSession, UUID, UUID],
) -> None:
    session, one, two = bound
    row = {"reason": "x", "times": 1, "last_at": text("now()")}
    for statement in (
        text("SELECT id FROM integrations"),
        select(text("id")).select_from(table("integrations")),
        insert(WebhookRefusal).values(integration_id=two, **row),
        insert(WebhookRefusal).values(
            [{"integration_id": one, **row}, {"integration_id": two, **row}]
        ),
        insert(Severity).values(name="y", slug="y", severity="high", position=2),
    ):
        with pytest.raises(RuntimeError):
            await session.execute(statement)
    await session.execute(insert(WebhookRefusal).values(integration_id=one, **row))
    for instance in (
        WebhookRefusal(integration_id=two, reason="y", times=1),
        Severity(name="y", slug="y", severity="high", position=2),
    ):
        session.add(instance)
        with pytest.raises(RuntimeError):
            await session.flush()
        session.expunge(instance)


def test_what_stands_apart_from_integrations_is_named() -> None:
    assert {IdempotencyKey.__tablename__} == SHARED
    without = {
        mapper.class_.__name__
        for mapper in Base.registry.mappers
        if "integration_id" not in mapper.column_attrs
    }
    assert {"Incident", "AuditEntry", "Severity"} <= without
    assert not {Alert, Page, ApiKey} & {Incident}

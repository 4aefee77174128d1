"""Accounts that are disabled, enabled and removed: their workflows and their pages that wait."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.events.publish import NO_INTEGRATION
from pagersync.http import AsyncClient
from pagersync.integrations.service import add_integration, change_integration
from pagersync.settings import Settings
from pagersync.workflows.account_workflows import NOBODY_PAGES
from pagersync.workflows.findings import find_workflow_problems
from tests.paging.conftest import Paging
from tests.support.pagertree import SimulatedPagerTree
from tests.workflows.conftest import Flows
from tests.workflows.test_defaults import connect

WHOM = {"teams": [{"name": "Platform"}]}


def change(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "integrations", "attributes": attributes}}


class Accounts:
    """Two accounts, connected as people do it."""

    def __init__(self, api: AsyncClient, acme: str, beta: str) -> None:
        self.api, self.acme, self.beta = api, acme, beta

    async def states(self) -> dict[tuple[str, str], bool]:
        """Return which default workflows are on, by account and kind."""
        names = {self.acme: "acme", self.beta: "beta"}
        rows = (await self.api.get("/v1/workflows")).json()["data"]
        return {
            (
                names[row["attributes"]["integration_id"]],
                row["attributes"]["name"].partition(" ")[0].lower(),
            ): row["attributes"]["enabled"]
            for row in rows
            if "restarted" not in row["attributes"]["name"]
        }

    async def notes(self, method: str, account: str, body: Any = None) -> list[str]:
        answer = await self.api.request(method, f"/v1/integrations/{account}", json=body)
        assert answer.status_code == 200, answer.text
        return list(answer.json().get("meta", {}).get("notes", []))


@pytest.fixture
async def accounts(api: AsyncClient, pagertree: SimulatedPagerTree) -> Accounts:
    acme = await connect(api, pagertree, default_targets=WHOM)
    beta = await connect(api, pagertree, name="beta", default_targets=WHOM)
    return Accounts(api, acme["id"], beta["id"])


ACME_WORKS = {
    ("acme", "create"): True,
    ("acme", "resolve"): True,
    ("beta", "create"): False,
    ("beta", "resolve"): False,
}
BETA_WORKS = {key: not value for key, value in ACME_WORKS.items()}


async def test_a_second_account_does_not_page_for_the_same_incidents(accounts: Accounts) -> None:
    assert await accounts.states() == ACME_WORKS
    rows = (await accounts.api.get("/v1/workflows")).json()["data"]
    reasons = {row["attributes"]["off_reason"] for row in rows if row["attributes"]["off_reason"]}
    assert all(reason.startswith("another account's default workflow") for reason in reasons)
    assert len(reasons) == 2


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_the_other_accounts_workflows_take_over_when_an_account_ends(
    accounts: Accounts, method: str
) -> None:
    body = change(enabled=False) if method == "PATCH" else None
    notes = await accounts.notes(method, accounts.acme, body)
    assert await accounts.states() == BETA_WORKS
    assert [note.partition(":")[0] for note in notes[:2]] == [
        "2 workflows are switched off",
        "2 workflows are switched on instead",
    ]
    assert NOBODY_PAGES not in notes


async def test_an_account_that_is_enabled_again_does_not_page_beside_the_one_that_took_over(
    accounts: Accounts,
) -> None:
    await accounts.notes("PATCH", accounts.acme, change(enabled=False))
    await accounts.notes("PATCH", accounts.acme, change(enabled=True))
    assert await accounts.states() == BETA_WORKS
    await accounts.notes("DELETE", accounts.beta)
    assert await accounts.states() == ACME_WORKS


async def test_workflows_that_stopped_with_their_account_begin_again_with_it(
    api: AsyncClient, pagertree: SimulatedPagerTree, flows: Flows
) -> None:
    acme = UUID((await connect(api, pagertree, default_targets=WHOM))["id"])
    ours = await flows.add(integration_id=acme)
    theirs = await flows.add(name="Off", integration_id=acme, enabled=False)
    off = await api.patch(f"/v1/integrations/{acme}", json=change(enabled=False))
    assert NOBODY_PAGES in off.json()["meta"]["notes"]
    assert await _enabled(api, ours, theirs) == [False, False]
    shown = (await api.get(f"/v1/workflows/{ours}")).json()["data"]["attributes"]
    assert shown["off_reason"] == "the account 'acme' is disabled"
    on = await api.patch(f"/v1/integrations/{acme}", json=change(enabled=True))
    assert "3 workflows are switched on again" in on.json()["meta"]["notes"][0]
    assert await _enabled(api, ours, theirs) == [True, False], "what a person decided stays"


async def _enabled(api: AsyncClient, *workflows: UUID) -> list[bool]:
    rows = [(await api.get(f"/v1/workflows/{each}")).json()["data"] for each in workflows]
    return [row["attributes"]["enabled"] for row in rows]


async def test_a_removed_account_leaves_no_workflow_that_is_on(
    api: AsyncClient, pagertree: SimulatedPagerTree, sessions: Sessions, settings: Settings
) -> None:
    acme = await connect(api, pagertree, default_targets=WHOM)
    answer = await api.delete(f"/v1/integrations/{acme['id']}")
    assert NOBODY_PAGES in answer.json()["meta"]["notes"]
    rows = (await api.get("/v1/workflows")).json()["data"]
    assert [row["attributes"]["enabled"] for row in rows] == [False] * len(rows)
    async with sessions() as session:
        found = {finding.code for finding in await find_workflow_problems(session, settings)}
    assert {"nobody_pages", "workflow_off"} <= found
    again = await connect(api, pagertree, default_targets=WHOM)
    rows = (await api.get("/v1/workflows?filter[enabled]=true")).json()["data"]
    assert len(rows) == 2, "the account that is connected again has its workflows back, and on"
    assert {row["attributes"]["integration_id"] for row in rows} == {again["id"]}


async def test_no_workflow_says_that_another_pages_already_when_that_one_has_stopped(
    accounts: Accounts,
) -> None:
    for account in (accounts.beta, accounts.acme):  # beta's workflows are off because of acme's
        await accounts.notes("DELETE", account)
    rows = (await accounts.api.get("/v1/workflows")).json()["data"]
    reasons = [row["attributes"]["off_reason"] for row in rows]
    assert not [reason for reason in reasons if reason is not None and "already" in reason]
    assert reasons.count("its account is disabled or was removed") == 2


async def test_workflows_that_name_the_last_account_in_a_task_stop_with_it(
    api: AsyncClient, pagertree: SimulatedPagerTree, flows: Flows
) -> None:
    acme = await connect(api, pagertree)
    task = {"task_type": "page_pagertree", "integration": "acme", "teams": [{"name": "Platform"}]}
    naming = await flows.add(task)
    await api.patch(f"/v1/integrations/{acme['id']}", json=change(enabled=False))
    assert await _enabled(api, naming) == [False]


async def test_workflows_that_name_an_account_stay_on_while_another_can_page_instead(
    accounts: Accounts, flows: Flows
) -> None:
    task = {"task_type": "page_pagertree", "integration": "acme", "teams": [{"name": "Platform"}]}
    naming = await flows.add(task, name="Naming")
    notes = await accounts.notes("DELETE", accounts.acme)
    assert any("'Naming'" in note and "'beta'" in note for note in notes)
    assert await _enabled(accounts.api, naming) == [True]


async def test_pages_that_wait_end_visibly_when_their_account_is_disabled(
    idle: Paging, flows: Flows, api: AsyncClient
) -> None:
    incident_id = await flows.declare()
    later = datetime.now(UTC) + timedelta(hours=1)
    page_id = await idle.page(incident_id=incident_id, send_at=later)
    url = f"/v1/integrations/{idle.integration_id}"
    answer = await api.patch(url, json=change(enabled=False))
    assert "1 page that waits to be sent is canceled." in answer.json()["meta"]["notes"]
    assert (await idle.get(page_id)).status == "canceled"
    (operation,) = await idle.operations(page_id)
    assert str(operation.last_error).startswith("the account 'acme' is disabled")
    assert await idle.events(page_id) == ["page.canceled"]
    assert any("is disabled" in line for line in await flows.timeline(incident_id))


async def test_a_key_of_one_account_learns_nothing_of_others_when_it_disables_its_own(
    accounts: Accounts, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        new = await create_key(session, "k", [Scope.ADMIN], integration_id=UUID(accounts.acme))
    headers = {"Authorization": f"Bearer {new.token}"}
    url = f"/v1/integrations/{accounts.acme}"
    answer = await accounts.api.patch(url, json=change(enabled=False), headers=headers)
    notes = answer.json()["meta"]["notes"]
    assert [note.partition(":")[0] for note in notes] == ["2 workflows are switched off"]
    assert await accounts.states() == BETA_WORKS, "what follows elsewhere is done all the same"


async def test_the_last_workflow_that_pages_is_not_removed_or_switched_off_silently(
    api: AsyncClient, pagertree: SimulatedPagerTree
) -> None:
    await connect(api, pagertree, default_targets=WHOM)
    rows = (await api.get("/v1/workflows")).json()["data"]
    (creating,) = [row["id"] for row in rows if "is created" in row["attributes"]["name"]]
    body = {"data": {"type": "workflows", "attributes": {"enabled": False}}}
    off = await api.put(f"/v1/workflows/{creating}", json=body)
    assert off.json()["meta"]["notes"] == [NOBODY_PAGES]
    removed = await api.delete(f"/v1/workflows/{creating}")
    assert removed.json()["meta"]["notes"] == [NOBODY_PAGES]


async def test_alerts_of_no_account_can_be_made_the_subject_of_a_page(
    api: AsyncClient, sessions: Sessions
) -> None:
    body = {"data": {"type": "alerts", "attributes": {"summary": "Disk full"}}}
    made = (await api.post("/v1/alerts", json=body)).json()["data"]
    assert made["attributes"]["integration_id"] == str(NO_INTEGRATION)
    async with sessions.begin() as session:
        new = await add_integration(session, name="acme")
        await change_integration(session, new.integration.id, enabled=False)
    body = {"data": {"type": "alerts", "attributes": WHOM}}
    refused = await api.post(f"/v1/alerts/{made['id']}/escalate", json=body)
    assert "every connected account is disabled" in refused.text

"""Traces of what stands in the database: how large they get, what they cost, what they hide."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, event, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from pagersync.alerts.models import Alert
from pagersync.database.base import new_id
from pagersync.database.engine import Sessions
from pagersync.events.models import DomainEvent
from pagersync.events.publish import NO_INTEGRATION
from pagersync.integrations.service import add_integration
from pagersync.paging.models import Attempt, Operation, Page
from pagersync.paging.service import NewPage, create_page, get_page
from pagersync.settings import Settings
from pagersync.workflows.explain import (
    Explanation,
    explain_alert,
    explain_incident,
    explain_page,
)
from pagersync.workflows.models import WorkflowRun, WorkflowTaskRun
from pagersync.workflows.trace import CHILDREN_MAX
from pagersync.workflows.trace_story import NODES_MAX
from pagersync.workflows.trace_tree import VERDICTS_MAX, TraceNode
from pagersync.workflows.why_cli import COLUMNS_MAX, lines_of
from tests.workflows.conftest import Flows
from tests.workflows.looking import look_once

PRINT = {"task_type": "print", "message": "x"}
PAGE = {"task_type": "create_pagertree_alert", "teams": [{"name": "Platform"}]}
TARGET = {"kind": "team", "pagertree_id": "01T", "prefix_id": None, "name": "Platform"}
NOW = datetime.now(UTC)
SETTINGS = Settings()


class Chain:
    """An incident, the workflow that hears of it, and what its runs made, row by row."""

    def __init__(self, session: AsyncSession, flows: Flows) -> None:
        self.session = session
        self.flows = flows

    async def begin(self) -> None:
        self.integration_id = (await add_integration(self.session, name="acme")).integration.id
        self.workflow_id = await self.flows.add(PAGE, name="Page on creation")
        self.incident_id = await self.flows.declare()
        own = select(DomainEvent).where(DomainEvent.subject_id == self.incident_id)
        self.event = (await self.session.scalars(own)).one()

    async def run(self, repeat_number: int = 0, **columns: Any) -> UUID:
        """Add a run of the workflow for the incident's event."""
        run = WorkflowRun(
            id=new_id(),
            integration_id=NO_INTEGRATION,
            workflow_id=self.workflow_id,
            incident_id=self.incident_id,
            requested_by="Ada",
            repeat_number=repeat_number,
            state="done",
            **{"domain_event_id": self.event.id, "triggered_by": "system", **columns},
        )
        self.session.add(run)
        await self.session.flush()
        return run.id

    async def task(self, run_id: UUID, **columns: Any) -> None:
        self.session.add(
            WorkflowTaskRun(
                integration_id=NO_INTEGRATION,
                run_id=run_id,
                task_id=new_id(),
                position=1,
                skip_on_failure=False,
                status="completed",
                started_at=NOW,
                **{"name": "Page", "task_params": PAGE, **columns},
            )
        )
        await self.session.flush()

    async def page(self, run_id: UUID, *, attempts: int = 1) -> UUID:
        """Add a page that a run made, with its operation and its attempts."""
        page = await create_page(
            self.session,
            NewPage(
                integration_id=self.integration_id,
                title="Checkout is down",
                targets=[TARGET],
                requested_by="the workflow 'Page on creation'",
                incident_id=self.incident_id,
                workflow_run_id=run_id,
            ),
        )
        await self.task(run_id, page_id=page.id)
        own = select(Operation.id).where(Operation.page_id == page.id)
        operation_id = (await self.session.scalars(own)).one()
        self.session.add_all(
            Attempt(
                integration_id=self.integration_id,
                operation_id=operation_id,
                number=number,
                method="POST",
                path="/alerts",
                http_status=503,
                duration_ms=3,
            )
            for number in range(1, attempts + 1)
        )
        await self.session.flush()
        return page.id

    async def explain(self) -> Explanation:
        incident = await self.flows.incident(self.incident_id)
        return await explain_incident(self.session, incident, SETTINGS)


@pytest.fixture
async def session(sessions: Sessions) -> Any:
    async with sessions() as session:
        yield session


@pytest.fixture
async def chain(session: AsyncSession, flows: Flows) -> Chain:
    chain = Chain(session, flows)
    await chain.begin()
    return chain


def each(nodes: list[TraceNode]) -> Iterator[TraceNode]:
    for node in nodes:
        yield node
        yield from each(node.children)


@contextmanager
def counted(engine: AsyncEngine) -> Iterator[list[str]]:
    """Yield the statements that are executed meanwhile."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def test_a_wide_tree_takes_as_many_queries_as_a_narrow_one(
    chain: Chain, engine: AsyncEngine
) -> None:
    await chain.page(await chain.run())
    with counted(engine) as narrow:
        small = await chain.explain()
    for number in range(1, 25):
        await chain.page(await chain.run(number), attempts=3)
    with counted(engine) as wide:
        large = await chain.explain()
    assert large.nodes > 5 * small.nodes
    assert len(wide) == len(narrow)
    assert len(narrow) < 50


async def test_of_what_one_thing_led_to_so_much_is_shown_and_the_rest_is_counted(
    chain: Chain,
) -> None:
    for number in range(CHILDREN_MAX + 7):
        await chain.run(number)
    why = await chain.explain()
    (root,) = why.roots
    cut = root.children[-1]
    assert (cut.kind, cut.title) == ("cut", "Left out here: 7 more runs")
    assert sum(node.kind == "run" for node in root.children) == CHILDREN_MAX
    assert why.note == "Some things are left out, where the tree says so."


async def test_a_tree_that_is_too_large_is_cut_and_says_so(chain: Chain) -> None:
    for number in range(CHILDREN_MAX):
        run_id = await chain.run(number)
        await chain.page(run_id, attempts=12)
    why = await chain.explain()
    assert why.nodes == NODES_MAX
    assert why.note == f"More than {NODES_MAX} things belong here: some branches are missing."
    assert [root.kind for root in why.roots] == ["event"]


async def test_many_workflows_that_did_not_match_are_counted(
    session: AsyncSession, flows: Flows, sessions: Sessions
) -> None:
    never = {"incident_condition_status": "IS", "incident_statuses": ["closed"]}
    for number in range(VERDICTS_MAX + 3):
        await flows.add(PRINT, name=f"no. {number}", conditions=never)
    incident_id = await flows.declare()
    await look_once(sessions)
    why = await explain_incident(session, await flows.incident(incident_id), SETTINGS)
    (root,) = why.roots
    assert [node.kind for node in root.children] == [*["verdict"] * VERDICTS_MAX, "cut"]
    assert root.children[-1].title == (
        f"3 more workflows did not match: GET /v1/domain_events/{root.id} has all"
    )


async def test_what_logs_in_somewhere_is_in_no_trace(chain: Chain) -> None:
    secret = "s3cret-7f3a"
    await chain.task(
        await chain.run(),
        name="Call",
        task_params={"task_type": "http_client", "headers": {"Authorization": secret}},
        rendered_params={
            "task_type": "http_client",
            "method": "POST",
            "url": f"https://user:{secret}@hooks.example/{secret}?token={secret}",
            "headers": "(not kept)",
            "body": {"token": secret},
        },
        result={"body": secret, "status": 200},
    )
    why = await chain.explain()
    (task,) = [node for node in each(why.roots) if node.kind == "task"]
    assert task.detail["params"] == {"method": "POST", "host": "hooks.example"}
    assert not any(secret in node.model_dump_json() for node in why.roots)
    assert secret not in "\n".join(lines_of(why))


async def test_a_page_whose_event_is_not_kept_any_more_begins_with_its_run(
    chain: Chain, session: AsyncSession
) -> None:
    page_id = await chain.page(await chain.run())
    await session.execute(delete(DomainEvent))
    why = await explain_page(session, await get_page(session, page_id), SETTINGS)
    assert [root.kind for root in why.roots] == ["run"]
    assert why.summary == (
        "Platform is not paged yet: the page is queued. It was asked for because the workflow "
        "'Page on creation' ran, for something that is not kept any more."
    )


async def test_the_line_of_a_page_names_its_account(chain: Chain, session: AsyncSession) -> None:
    page = await get_page(session, await chain.page(await chain.run()))
    (shown,) = [n for n in each((await chain.explain()).roots) if n.kind == "page"]
    assert shown.title == "Page to Platform (account acme): Checkout is down"
    assert shown.detail["account"] == "acme"
    page.targets = [*page.targets, {**TARGET, "name": "Night Watch", "skipped": "it is gone"}]
    await session.flush()
    (shown,) = [n for n in each((await chain.explain()).roots) if n.kind == "page"]
    assert shown.title.startswith("Page to Platform (account acme; not to Night Watch): ")


async def test_the_answer_names_the_account_only_where_there_are_several(
    chain: Chain, session: AsyncSession
) -> None:
    page_id = await chain.page(await chain.run())
    assert (await chain.explain()).summary.startswith("Platform is not paged yet")
    other = (await add_integration(session, name="beta")).integration
    for why in (
        await chain.explain(),
        await explain_page(session, await get_page(session, page_id), SETTINGS),
    ):
        assert why.summary.startswith(
            "Platform (account acme) is not paged yet: the page is queued"
        )

    elsewhere = await get_page(session, await chain.page(await chain.run(1)))
    elsewhere.integration_id, elsewhere.repeat_of = other.id, page_id
    other.removed_at = NOW
    await session.flush()
    why = await explain_page(session, await get_page(session, page_id), SETTINGS)
    assert "; Platform (account beta) was paged for it again" in why.summary


async def test_a_run_that_a_person_started_is_a_root(chain: Chain, session: AsyncSession) -> None:
    page_id = await chain.page(await chain.run(domain_event_id=None, triggered_by="user"))
    why = await explain_page(session, await get_page(session, page_id), SETTINGS)
    (root,) = why.roots
    assert root.title == "Workflow 'Page on creation' ran, started by Ada"
    assert why.summary.endswith("because Ada started the workflow 'Page on creation'.")
    of_incident = await chain.explain()
    assert {root.kind for root in of_incident.roots} == {"event", "run"}


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        ("queued", None, "Platform is not paged yet: the page is queued. It was asked for because"),
        ("unknown", "it is looked for", "Nobody can tell yet whether Platform was paged: it is l"),
        ("failed", "PagerTree refused: no", "Platform was not paged: the page failed: PagerTree r"),
        ("canceled", "not needed", "Platform was not paged: the page was canceled: not needed. It"),
        ("expired", None, "Platform was not paged: the page expired. It was asked for because"),
        ("sent", None, "Platform is not paged yet: PagerTree has it, and has not begun to page"),
        ("stuck", None, "Platform was not paged: PagerTree has it, and still pages nobody. It"),
        ("dropped", None, "Platform was not paged: PagerTree dropped it (nobody on call, or no an"),
        ("resolved", None, "Platform was paged because Ada created incident 1"),
    ],
)
async def test_what_became_of_a_page_is_said_first_where_nobody_was_paged(
    chain: Chain, session: AsyncSession, status: str, error: str | None, said: str
) -> None:
    page_id = await chain.page(await chain.run())
    page = await get_page(session, page_id)
    page.status = status
    own = select(Operation).where(Operation.page_id == page_id)
    (await session.scalars(own)).one().last_error = error
    await session.flush()
    assert (await explain_page(session, page, SETTINGS)).summary.startswith(said)


async def test_an_alert_about_which_nobody_was_paged_says_that_this_is_about_pagersync(
    chain: Chain, session: AsyncSession
) -> None:
    alert = Alert(
        id=new_id(),
        integration_id=chain.integration_id,
        short_id="K7Q2MB",
        external_id="alt_1",
        external_url="",
        status="open",
        summary="Disk full",
        fold={},
    )
    session.add(alert)
    await session.flush()
    why = await explain_alert(session, alert, SETTINGS)
    assert why.summary == (
        "pagersync paged nobody about alert K7Q2MB: no workflow listened for what happened."
    )
    assert why.roots == []


async def test_a_printed_tree_stays_within_its_columns(chain: Chain, session: AsyncSession) -> None:
    page_id = await chain.page(await chain.run(), attempts=2)
    page = await session.get_one(Page, (page_id, chain.integration_id))
    page.title = "very long " * 30
    await session.flush()
    lines = list(lines_of(await chain.explain()))
    assert max(map(len, lines)) == COLUMNS_MAX
    root = next(line for line in lines if "created incident 1" in line and "+0.0 s" in line)
    assert root.startswith("   +0.0 s  Ada created incident 1")
    assert any(line.endswith("… [queued]") for line in lines)
    assert any(line.endswith("POST /alerts: 503 in 3 ms") for line in lines)

"""Answers of lists are of bounded size, however long the things in them are."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.event import listen, remove
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.cut_columns import (
    ANSWER_BYTES_MAX,
    OMITTED,
    VALUE_BYTES_MAX,
    VALUE_BYTES_MIN,
    Wide,
    read_cut,
    value_bytes_max,
)
from pagersync.database.engine import Sessions, raw_connection
from pagersync.http import AsyncClient
from pagersync.incidents.models import Incident
from tests.support.account import Account, event
from tests.support.wait import eventually

ROWS = 200
LONG = 100_000

CLONE = """
INSERT INTO {table} ({columns}) SELECT {columns} FROM (
SELECT (jsonb_populate_record(NULL::{table},
    to_jsonb(t) || jsonb_build_object('id', gen_random_uuid(){others}))).*
FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) AS t, generate_series(1, {rows}) AS n
) AS cloned
"""
COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_name = $1 AND is_generated = 'NEVER'
"""


@pytest.mark.parametrize("count", [0, 1, 200, 512, 2_000, 10_000, 1_000_000])
def test_all_values_of_a_kind_share_the_bytes_of_an_answer(count: int) -> None:
    most = value_bytes_max(count)
    assert VALUE_BYTES_MIN <= most <= VALUE_BYTES_MAX
    assert most == VALUE_BYTES_MIN or most * count <= ANSWER_BYTES_MAX


async def clone(
    engine: AsyncEngine, table: str, column: str, others: str = "", *, rows: int = ROWS
) -> None:
    """Make a column of the first row of a table long, and more such rows."""
    async with raw_connection(engine) as connection:
        rows_of = await connection.fetch(COLUMNS, table)
        kinds = {row["column_name"]: row["data_type"] for row in rows_of}
        value = (
            f"jsonb_build_object('task_type', 'print', 'message', repeat('x', {LONG}))"
            if kinds[column] == "jsonb"
            else f"repeat('x', {LONG})"
        )
        await connection.execute(f"UPDATE {table} SET {column} = {value}")  # noqa: S608 - constants
        await connection.execute(
            CLONE.format(table=table, columns=", ".join(kinds), others=others, rows=rows)
        )


async def answer(api: AsyncClient, path: str) -> dict[str, Any]:
    """Return a list whose answer is not too long."""
    found = await api.get(f"{path}{'&' if '?' in path else '?'}page[size]={ROWS}", timeout=60)
    assert found.status_code == 200, found.text
    assert len(found.content) < 1.2 * ANSWER_BYTES_MAX
    shown: dict[str, Any] = found.json()
    return shown


async def made(api: AsyncClient, path: str, type_: str, **attributes: Any) -> UUID:
    """Create something through the API; return its id."""
    created = await api.post(path, json={"data": {"type": type_, "attributes": attributes}})
    assert created.status_code == 201, created.text
    return UUID(created.json()["data"]["id"])


TEXTS = ("summary", "mitigation_message", "resolution_message", "cancellation_message")


async def test_long_texts_of_incidents_are_cut_in_lists(
    api: AsyncClient, engine: AsyncEngine
) -> None:
    id_ = await made(api, "/v1/incidents", "incidents", title="t", summary="s")
    others = ", 'slug', 'i' || n, 'number', 1000 + n"
    for column in TEXTS:
        await clone(engine, "incidents", column, others, rows=ROWS if column == TEXTS[-1] else 0)
    listed = await answer(api, "/v1/incidents")
    assert len(listed["data"]) == ROWS
    for resource in listed["data"]:
        for name in TEXTS:
            assert f"({LONG} bytes, which is too long for a list" in resource["attributes"][name]
    whole = (await api.get(f"/v1/incidents/{id_}")).json()["data"]["attributes"]
    assert [len(whole[name]) for name in TEXTS] == [LONG] * 4


async def test_what_is_included_shares_the_bytes_too(api: AsyncClient, engine: AsyncEngine) -> None:
    id_ = await made(api, "/v1/incidents", "incidents", title="t", summary="s")
    await clone(engine, "incident_events", "event", rows=150)
    listed = await answer(api, "/v1/incidents?include=events")
    assert len(listed["included"]) == 100
    entries = await answer(api, f"/v1/incidents/{id_}/events")
    assert len(entries["data"]) > 150
    assert "too long for a list" in entries["data"][0]["attributes"]["event"]


async def test_long_parameters_of_tasks_are_left_out_of_lists_of_workflows(
    api: AsyncClient, engine: AsyncEngine
) -> None:
    task = {"task_params": {"task_type": "print", "message": "m"}}
    trigger = {"trigger_type": "incident", "triggers": ["incident_created"]}
    id_ = await made(
        api, "/v1/workflows", "workflows", name="w", trigger_params=trigger, tasks=[task]
    )
    await clone(engine, "workflow_tasks", "task_params", ", 'position', 10 + n", rows=2_000)
    for path in ("/v1/workflows", "/v1/workflows?include=genius_tasks"):
        tasks = (await answer(api, path))["data"][0]["attributes"]["tasks"]
        assert len(tasks) == 2_001
        assert {each["task_params"]["task_type"] for each in tasks} == {"print"}
        assert all("100" in each["task_params"][OMITTED] for each in tasks)
    own = await answer(api, f"/v1/workflows/{id_}/workflow_tasks")
    assert OMITTED in own["data"][0]["attributes"]["task_params"]
    first = (await api.get(f"/v1/workflow_tasks/{own['data'][0]['id']}")).json()
    assert len(first["data"]["attributes"]["task_params"]["message"]) == LONG


async def test_long_events_of_alerts_are_cut_in_lists(
    api: AsyncClient, account: Account, engine: AsyncEngine
) -> None:
    assert (await account.post(event())).status_code == 202
    await eventually(lambda: _listed(api, "/v1/alerts"))
    alert = (await api.get("/v1/alerts")).json()["data"][0]["id"]
    sha = ", 'content_sha256', '\\x' || encode(sha256(n::text::bytea), 'hex')"
    await clone(engine, "alert_events", "details", sha)
    for path in (f"/v1/alerts/{alert}/events", "/v1/alert_events"):
        listed = await answer(api, path)
        assert "too long for a list" in listed["data"][0]["attributes"]["details"]
    included = (await answer(api, "/v1/alerts?include=events"))["included"]
    assert len(included) == 100


async def _listed(api: AsyncClient, path: str) -> bool:
    return bool((await api.get(path)).json()["data"])


async def test_what_is_not_asked_for_is_not_read(
    api: AsyncClient, engine: AsyncEngine, sessions: Sessions
) -> None:
    await made(api, "/v1/incidents", "incidents", title="t", summary="s")
    read: list[str] = []

    def note(*call: Any) -> None:
        read.append(call[2])

    wide = Wide([Incident.summary, Incident.closed_by], {"title", "closed_by"})
    listen(engine.sync_engine, "before_cursor_execute", note)
    async with sessions() as session:
        rows = await read_cut(session, select(Incident), wide, 10)
    remove(engine.sync_engine, "before_cursor_execute", note)
    assert "incidents.summary" not in read[-1]
    assert "incidents.closed_by" in read[-1]
    assert "not asked for" in (rows[0].summary or "")
    listed = (await api.get("/v1/incidents?fields[incidents]=title,slug")).json()
    assert set(listed["data"][0]["attributes"]) == {"title", "slug"}

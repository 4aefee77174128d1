"""One API key asks for as much as it can, while a webhook comes in: its page goes out in time."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.flood.stage import PAGE_S_MAX, Stage, a_stage, send

pytestmark = [pytest.mark.flood, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as stage:
        assert await stage.seconds_to_page() < PAGE_S_MAX
        yield stage


async def test_requests_that_wait_for_locked_rows_delay_no_page_and_no_health_check(
    stage: Stage,
) -> None:
    async with stage.holding("LOCK TABLE incidents IN ACCESS EXCLUSIVE MODE"):
        waiting = [asyncio.create_task(stage.reader.get("/v1/incidents")) for _ in range(40)]
        await asyncio.sleep(1)
        page_s = await stage.seconds_to_page()
        ready = await stage.other.get("/readyz")
        other = await stage.other.get("/v1/alerts")
        answers = await asyncio.gather(*waiting)
    assert page_s < PAGE_S_MAX
    assert ready.status_code == 200
    assert other.status_code == 200
    assert {answer.status_code for answer in answers} <= {429, 503}
    assert all("Retry-After" in answer.headers for answer in answers)


LOOPING = "{% for i in (1..4000) %}{% assign x = incident.title | upcase | split: '' %}{% endfor %}"


async def test_previews_of_looping_tasks_by_one_key_delay_no_page_and_no_other_key(
    stage: Stage,
) -> None:
    tasks = [{"task_params": {"task_type": "print", "message": f"{LOOPING}{n}"}} for n in range(50)]
    asked = {"workflow": {"name": "w", "tasks": tasks}}
    previews = [
        asyncio.create_task(
            send(stage.reader, "/v1/workflows/preview", "workflow_previews", **asked)
        )
        for _ in range(16)
    ]
    await asyncio.sleep(1)
    page_s = await stage.seconds_to_page()
    ready = await stage.other.get("/readyz")
    other = await stage.other.get("/v1/alerts")
    answers = await asyncio.gather(*previews)
    assert page_s < PAGE_S_MAX
    assert (ready.status_code, other.status_code) == (200, 200)
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    assert {answer.status_code for answer in refused} <= {429, 503}
    assert all("Retry-After" in answer.headers for answer in refused)


async def test_lists_of_large_alerts_take_little_memory_and_delay_no_page(stage: Stage) -> None:
    await stage.execute(LARGE_ALERTS, "x" * 1_000_000)
    before_mib = stage.memory_mib()
    lists = [asyncio.create_task(stage.reader.get("/v1/alerts?page[size]=100")) for _ in range(8)]
    page_s = await stage.seconds_to_page()
    answers = await asyncio.gather(*lists)
    assert {answer.status_code for answer in answers} <= {200, 429, 503}
    assert max(len(answer.content) for answer in answers) < 4_000_000
    assert page_s < PAGE_S_MAX
    assert stage.memory_mib() - before_mib < 150
    shown = next(answer for answer in answers if answer.status_code == 200).json()["data"]
    large = next(each for each in shown if "pagersync_omitted" in each["attributes"]["data"])
    assert "1000" in large["attributes"]["data"]["pagersync_omitted"]
    whole = (await stage.reader.get(f"/v1/alerts/{large['id']}")).json()["data"]
    assert len(json.dumps(whole["attributes"]["data"])) > 1_000_000


LARGE_ALERTS = """
INSERT INTO alerts (id, integration_id, short_id, external_id, external_url, status, summary,
                    fold, data)
SELECT gen_random_uuid(), (SELECT id FROM integrations LIMIT 1), 'LARGE' || n, 'large' || n, '',
       'open', 'large', jsonb_build_object('copy', $1::text), jsonb_build_object('text', $1::text)
FROM generate_series(1, 100) AS n
"""

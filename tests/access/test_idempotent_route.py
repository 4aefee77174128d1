"""What `IdempotentRoute` does around a route, seen on routes that are made for it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.access.guard import needs
from pagersync.access.idempotency import IdempotentRoute
from pagersync.access.models import IdempotencyKey, Scope
from pagersync.app import create_app
from pagersync.database.engine import Sessions
from pagersync.database.session import SessionDep
from pagersync.http import AsyncClient
from pagersync.integrations.models import WebhookRefusal
from pagersync.settings import Settings
from tests.access.test_idempotency import KEY, assert_replayed, count, new, said
from tests.support.server import serving

OPEN_TRANSACTIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND datname = current_database()
    AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
"""

router = APIRouter(prefix="/v1", route_class=IdempotentRoute, dependencies=[needs(Scope.WRITE)])


@router.post("/rows", status_code=201)
async def add_row(session: SessionDep, response: Response) -> dict[str, str]:
    """Add to the session before its first statement, and say where the result is."""
    now = datetime.now(UTC)
    session.add(WebhookRefusal(integration_id=uuid4(), reason="x", times=1, last_at=now))
    with session.no_autoflush:
        await session.execute(text("SELECT 1"))
    response.headers["Location"] = f"/rows/{uuid4().hex}"
    return {}


@router.post("/without_a_statement")
async def answer_without_a_statement() -> dict[str, str]:
    """Answer something else each time."""
    return {"new": uuid4().hex}


@router.post("/refusals")
async def refuse(session: SessionDep) -> Response:
    """Return that it went wrong instead of raising it."""
    await session.execute(text("SELECT 1"))
    return JSONResponse({"new": uuid4().hex}, status_code=418)


@pytest.fixture
async def client(settings: Settings, engine: AsyncEngine, token: str) -> AsyncIterator[AsyncClient]:
    """Yield a client of the service with those routes, and without workers."""
    del engine  # needed only to be there, and to be emptied
    app = create_app(settings, with_workers=False)
    app.include_router(router)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        serving(app) as url,
        AsyncClient(base_url=url, headers=headers, trust_env=False) as client,
    ):
        yield client


async def test_what_waits_in_a_session_is_dropped_when_the_key_is_lost(
    client: AsyncClient, sessions: Sessions
) -> None:
    answers = await asyncio.gather(*(client.post("/v1/rows", headers=KEY) for _ in range(10)))
    assert {said(answer) for answer in answers} == {(201, "application/json", b"{}")}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert await count(sessions, WebhookRefusal) == 1


async def test_a_route_without_a_statement_is_answered_once_too(client: AsyncClient) -> None:
    answers = [await client.post("/v1/without_a_statement", headers=KEY) for _ in range(2)]
    assert_replayed(answers[1], answers[0])


async def test_an_answer_that_is_no_2xx_is_not_kept(
    client: AsyncClient, sessions: Sessions
) -> None:
    answers = [await client.post("/v1/refusals", headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [418, 418]
    assert answers[0].content != answers[1].content
    assert await count(sessions, IdempotencyKey) == 0


async def test_no_transaction_is_open_while_pagertree_is_asked_and_it_is_asked_once(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    seen: list[int] = []
    pagertree = FastAPI()

    @pagertree.get("/{path:path}")
    async def look(path: str) -> dict[str, list[str]]:
        assert path
        async with engine.connect() as connection:
            seen.append((await connection.execute(text(OPEN_TRANSACTIONS))).scalar_one())
        return {"data": []}

    async with serving(pagertree) as url:
        body = new(pagertree_url=url, verify_api_key=True)
        first = await client.post("/v1/integrations", json=body, headers=KEY)
        assert_replayed(await client.post("/v1/integrations", json=body, headers=KEY), first)
    assert seen == [0]

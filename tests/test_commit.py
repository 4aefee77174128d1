"""Answered means committed, for the API too: a commit that fails is never a 2xx."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from pagersync.integrations.models import Integration
from tests.support.faults import refusing


async def test_a_route_whose_commit_fails_answers_5xx(
    api: AsyncClient, engine: AsyncEngine, sessions: Sessions
) -> None:
    attributes = {"name": "acme", "api_key": "k", "verify_api_key": False}
    body = {"data": {"type": "integrations", "attributes": attributes}}
    async with refusing(engine, "integrations", "true", at_commit=True):
        answer = await api.post("/v1/integrations", json=body)
    assert answer.status_code == 500
    assert answer.json()["errors"][0]["code"] == "internal_error"
    async with sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Integration)) == 0
    assert (await api.post("/v1/integrations", json=body)).status_code == 201

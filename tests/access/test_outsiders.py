"""Who has no valid key learns nothing: one answer, whatever is asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pagersync.access.keys import create_key, revoke_key
from pagersync.access.models import Scope
from pagersync.app import create_app
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.settings import Settings
from tests.support.operations import operations_of

JSON = {"Content-Type": "application/json"}


def told(answer: Response) -> tuple[int, bytes, set[tuple[str, str]]]:
    """Return all that an answer tells, but for the id that each request has."""
    own_id = answer.headers["request-id"]
    headers = {
        (name, value)
        for name, value in answer.headers.items()
        if name not in {"date", "request-id"}
    }
    return answer.status_code, answer.content.replace(own_id.encode(), b""), headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer psk_wrong"},
        {"Authorization": "Basic dTpw"},
        {"Authorization": b"Bearer \xff"},
        {"Authorization": "psk_wrong"},
    ],
)
async def test_without_a_valid_key_everything_under_v1_is_the_same_401(
    server: str, settings: Settings, headers: dict[str, Any]
) -> None:
    asked: list[tuple[str, str, bytes | None]] = [
        (each.method, each.path.replace("{", "").replace("}", ""), None)
        for each in operations_of(create_app(settings)).values()
    ]
    asked += [
        ("GET", "/v1", None),
        ("GET", "/v1/", None),
        ("GET", "/v1/nowhere", None),
        ("GET", "/v1/../v1/alerts", None),
        ("DELETE", "/v1/severities", None),
        ("POST", "/v1/severities", b"{"),
        ("POST", "/v1/severities", b"x" * 2_000_000),
        ("OPTIONS", "/v1/alerts", None),
        ("GET", "/v1/alerts?page[size]=wrong", None),
    ]
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        answers = {
            told(await client.request(method, path, content=body, headers=JSON))[0:2]
            for method, path, body in asked
        }
        one = await client.get("/v1/alerts")
    ((status, _),) = answers
    assert status == 401
    assert one.headers["WWW-Authenticate"] == "Bearer"
    assert one.json()["errors"][0]["code"] == "unauthorized"
    assert not [name for name in one.headers if name.startswith("x-ratelimit")]


async def test_what_a_key_was_is_not_told_either(server: str, sessions: Sessions) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with sessions.begin() as session:
        late = await create_key(session, "late", [Scope.ADMIN], expires_at=past)
        gone = await create_key(session, "gone", [Scope.ADMIN])
        await revoke_key(session, gone.key.id)
    async with AsyncClient(base_url=server, trust_env=False) as client:
        answers = []
        for token in (late.token, gone.token, "psk_never"):
            headers = {"Authorization": f"Bearer {token}"}
            answers.append(told(await client.get("/v1/alerts", headers=headers)))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 401


async def test_what_a_key_may_not_do_is_403_whether_the_thing_exists_or_not(
    server: str, sessions: Sessions, api: AsyncClient
) -> None:
    body = {"data": {"type": "severities", "attributes": {"name": "x", "severity": "low"}}}
    there = (await api.post("/v1/severities", json=body)).json()["data"]["id"]
    async with sessions.begin() as session:
        token = (await create_key(session, "reader", [Scope.READ])).token
    headers = {"Authorization": f"Bearer {token}"}
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        answers = [
            told(await client.delete(f"/v1/severities/{id_}"))[1] for id_ in (there, "x", "1-2")
        ]
        assert len(set(answers)) == 1
        assert b"forbidden" in answers[0]


async def test_what_is_open_stays_open(server: str) -> None:
    async with AsyncClient(base_url=server, trust_env=False) as client:
        for path in ("/livez", "/readyz", "/openapi.json", "/docs"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/v10")).status_code == 404

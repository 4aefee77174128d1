"""A request has one id: in its answer, in its errors and in its log lines."""

import uuid
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from pagersync.app import create_service
from pagersync.http import AsyncClient
from pagersync.settings import Settings
from tests.support.account import Account
from tests.support.server import serving


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/alerts", 200),
        ("GET", "/v1/nowhere", 404),
        ("PATCH", "/v1/alerts", 405),
        ("POST", "/v1/severities", 422),
        ("POST", "/webhooks/pagertree/x", 401),
        ("GET", "/livez", 200),
    ],
)
async def test_every_answer_and_every_error_has_the_id_that_came_with_the_request(
    api: AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await api.request(method, path, headers={"Request-Id": "deploy-42.a_B"})
    assert answer.status_code == status
    assert answer.headers["request-id"] == "deploy-42.a_B"
    for error in answer.json().get("errors", ()):
        assert error["id"] == "deploy-42.a_B"


async def test_without_one_that_can_be_used_it_is_a_new_uuid_7(api: AsyncClient) -> None:
    ids = set()
    for given in ({}, {"Request-Id": "a b"}, {"Request-Id": "x" * 129}, {"Request-Id": ""}):
        answer = await api.get("/livez", headers=given)
        assert uuid.UUID(answer.headers["request-id"]).version == 7
        ids.add(answer.headers["request-id"])
    assert len(ids) == 4


async def test_the_older_name_of_the_header_is_understood(api: AsyncClient) -> None:
    answer = await api.get("/livez", headers={"X-Request-Id": "old"})
    assert answer.headers["request-id"] == "old"


async def test_the_webhook_answers_with_an_id_too(account: Account) -> None:
    answer = await account.client.post(
        account.url,
        params={"secret": account.secret},
        json={"type": "alert.created", "data": {"id": "alt_1"}},
        headers={"Request-Id": "from-pagertree"},
    )
    assert (answer.status_code, answer.headers["request-id"]) == (202, "from-pagertree")


async def test_a_failure_that_nobody_expected_has_the_shape_and_the_id(settings: Settings) -> None:
    service = create_service(settings, with_workers=False)
    app: Any = service
    while not isinstance(app, FastAPI):
        app = app._app  # noqa: SLF001 - what stands behind

    async def break_down() -> None:
        structlog.get_logger("test").warning("about to break")
        raise RuntimeError("a detail that stays here")

    app.add_api_route("/break", break_down)
    async with serving(service) as url, AsyncClient(base_url=url, trust_env=False) as client:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            answer = await client.get("/break", headers={"Request-Id": "r1"})
    assert answer.status_code == 500
    assert answer.headers["request-id"] == "r1"
    (error,) = answer.json()["errors"]
    assert (error["id"], error["code"]) == ("r1", "internal_error")
    assert "stays here" not in answer.text
    (line,) = [line for line in lines if line["event"] == "about to break"]
    assert line["request_id"] == "r1"

"""Callers that are refused are counted and logged, a few lines however many they are."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from pagersync import log
from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient
from tests.support.account import Account, event


@pytest.fixture(autouse=True)
def nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_said_at", {})
    monkeypatch.setattr(log, "_unsaid", Counter())


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as caught:
        yield caught


def counted(reason: str) -> float:
    labels = {"reason": reason}
    return REGISTRY.get_sample_value("pagersync_requests_refused_total", labels) or 0


async def test_requests_without_a_valid_key_are_counted_and_logged_once_a_minute(
    server: str, lines: list[Any]
) -> None:
    before = counted("unauthorized")
    wrong = {"Authorization": "Bearer psk_guess-of-a-stranger"}
    async with AsyncClient(base_url=server, headers=wrong, trust_env=False) as client:
        for path in ("/v1/alerts", "/v1/nowhere", "/v1/pages"):
            assert (await client.get(path)).status_code == 401
    assert counted("unauthorized") == before + 3
    (line,) = [each for each in lines if each["event"] == "a caller was refused"]
    assert (line["reason"], line["address"]) == ("unauthorized", "127.0.0.1")
    assert line["log_level"] == "warning"
    assert "guess" not in repr(lines)


async def test_what_a_key_may_not_do_is_logged_with_the_key_and_the_operation(
    server: str, sessions: Sessions, lines: list[Any]
) -> None:
    async with sessions.begin() as session:
        made = await create_key(session, "reader", [Scope.READ])
    headers = {"Authorization": f"Bearer {made.token}"}
    before = counted("forbidden")
    async with AsyncClient(base_url=server, headers=headers, trust_env=False) as client:
        assert (await client.get("/v1/api_keys")).status_code == 403
        assert (await client.get("/v1/secrets")).status_code == 403
    assert counted("forbidden") == before + 2
    (line,) = [each for each in lines if each["event"].startswith("an API key asked")]
    assert (line["reason"], line["operation"]) == (str(made.key.id), "list_api_keys")
    assert made.token not in repr(lines)


async def test_a_webhook_with_a_wrong_secret_is_logged_without_it(
    account: Account, lines: list[Any]
) -> None:
    before = counted("wrong_secret")
    async with AsyncClient(trust_env=False) as client:
        answer = await client.post(account.url, params={"secret": "guess"}, json=event())
    assert answer.status_code == 401
    assert counted("wrong_secret") == before + 1
    (line,) = [each for each in lines if each["event"] == "a caller was refused"]
    assert line["reason"] == "wrong_secret"
    assert "guess" not in repr(lines)

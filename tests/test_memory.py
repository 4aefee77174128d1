"""Short memory is nobody's fault who sends: 503 with Retry-After, never 400."""

import asyncio

import pytest
from starlette.requests import Request

from pagersync.http import AsyncClient
from pagersync.inbox import endpoint
from tests.support.account import Account


def fail(*_: object, **__: object) -> None:
    raise MemoryError


def assert_busy(status: int, headers: object, body: dict[str, object]) -> None:
    assert status == 503, body
    assert "retry-after" in headers  # type: ignore[operator] # headers of httpx
    assert "out of memory" in str(body)


@pytest.mark.parametrize("method", ["json", "body"])
async def test_a_body_of_the_api_that_memory_is_too_short_for_is_503(
    api: AsyncClient, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(Request, method, fail)
    answer = await api.post("/v1/pages", json={"data": {"type": "pages", "attributes": {}}})
    assert_busy(answer.status_code, answer.headers, answer.json())


async def test_a_webhook_that_memory_is_too_short_for_is_503(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "read_webhook", fail)
    answer = await account.post(b"{}")
    assert_busy(answer.status_code, answer.headers, answer.json())


async def test_a_head_that_memory_is_too_short_for_is_503(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "uvicorn.protocols.http.httptools_impl.RequestResponseCycle", fail, raising=True
    )
    host, _, port = server.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after" in answer.lower()

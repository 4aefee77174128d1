"""How the client's calls fail: in one error, recorded, within limits, without the key."""

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from pagersync.errors import (
    Ambiguous,
    Contract,
    CredentialsRefused,
    PagerTreeError,
    Rejected,
    Unavailable,
)
from pagersync.pagertree.client import ATTEMPTS_MAX, PagerTree
from pagersync.pagertree.exchange import ANSWER_BYTES_MAX, Call
from pagersync.pagertree.resources import RemoteTeam
from tests.pagertree.calls import (
    ALERT,
    BASE,
    CHANGING,
    KEY,
    NEW,
    READING,
    Account,
    mock,
    page,
)

changing = pytest.mark.parametrize("name", CHANGING)
reading = pytest.mark.parametrize("name", READING)
OUTCOMES: list[tuple[dict[str, Any] | Exception, Any, Any, int]] = [
    ({"status_code": 302, "headers": {"Location": "https://x/"}}, Contract, Contract, 1),
    ({"status_code": 401}, CredentialsRefused, CredentialsRefused, 1),
    ({"status_code": 403}, Rejected, Rejected, 1),
    ({"status_code": 404, "text": "<html>"}, Rejected, Rejected, 1),
    ({"status_code": 408}, Ambiguous, Unavailable, ATTEMPTS_MAX),
    ({"status_code": 409}, Ambiguous, Unavailable, ATTEMPTS_MAX),
    ({"status_code": 422, "json": {"errors": [{"message": "no"}]}}, Rejected, Rejected, 1),
    ({"status_code": 429}, Unavailable, Unavailable, ATTEMPTS_MAX),
    ({"status_code": 429, "headers": {"Retry-After": "3"}}, Unavailable, Unavailable, 1),
    ({"status_code": 500}, Ambiguous, Unavailable, ATTEMPTS_MAX),
    ({"status_code": 503, "headers": {"Retry-After": "60"}}, Ambiguous, Unavailable, 1),
    ({"status_code": 200, "text": "<html>"}, Contract, Contract, 1),
    ({"status_code": 200, "text": '{"id":'}, Contract, Contract, 1),
    ({"status_code": 200, "text": "[" * 99_999}, Contract, Contract, 1),
    (httpx.ConnectError("refused"), Unavailable, Unavailable, ATTEMPTS_MAX),
    (httpx.ConnectTimeout("slow"), Unavailable, Unavailable, ATTEMPTS_MAX),
    (httpx.PoolTimeout("busy"), Unavailable, Unavailable, ATTEMPTS_MAX),
    (httpx.ReadTimeout("slow"), Ambiguous, Unavailable, ATTEMPTS_MAX),
    (httpx.WriteTimeout("slow"), Ambiguous, Unavailable, ATTEMPTS_MAX),
    (httpx.ReadError("reset"), Ambiguous, Unavailable, ATTEMPTS_MAX),
    (httpx.WriteError("reset"), Ambiguous, Unavailable, ATTEMPTS_MAX),
    (httpx.RemoteProtocolError("odd"), Ambiguous, Unavailable, ATTEMPTS_MAX),
    (httpx.LocalProtocolError(f"Illegal {KEY}"), Ambiguous, Unavailable, ATTEMPTS_MAX),
    (httpx.UnsupportedProtocol("ftp"), Rejected, Rejected, 1),
    (OSError("odd"), Ambiguous, Unavailable, ATTEMPTS_MAX),
]


def answered(name: str, answer: dict[str, Any] | Exception) -> respx.Route:
    route = mock(name)
    if isinstance(answer, Exception):
        return route.mock(side_effect=answer)
    return route.respond(**answer)


async def assert_ends_in(
    account: Account,
    call: Callable[[PagerTree], Awaitable[Any]],
    error: type[PagerTreeError],
    times: int,
) -> None:
    with pytest.raises(PagerTreeError) as raised:
        await call(account)
    assert type(raised.value) is error
    assert KEY not in str(raised.value)
    assert len(account.exchanges) == times
    for done in account.exchanges:
        assert done.status == raised.value.http_status
        assert done.error == raised.value.detail
        assert KEY not in repr(done)


@pytest.mark.parametrize(("answer", "error", "_reading", "_times"), OUTCOMES)
@changing
@respx.mock
async def test_a_call_that_changes_something_is_made_once_and_ends_in_one_error(
    account: Account,
    name: str,
    answer: dict[str, Any] | Exception,
    error: type[PagerTreeError],
    _reading: Any,
    _times: Any,
) -> None:
    route = answered(name, answer)
    await assert_ends_in(account, CHANGING[name], error, 1)
    assert route.call_count == 1


@pytest.mark.parametrize(("answer", "_changing", "error", "times"), OUTCOMES)
@pytest.mark.parametrize("name", ["GET /alerts", "GET /teams/T1/current_oncall"])
@respx.mock
async def test_a_call_that_reads_is_tried_again_where_that_may_help(
    account: Account,
    name: str,
    answer: dict[str, Any] | Exception,
    error: type[PagerTreeError],
    _changing: Any,
    times: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pagersync.pagertree.client._JITTER", lambda _state: 0.0)
    route = answered(name, answer)
    await assert_ends_in(account, READING[name], error, times)
    assert route.call_count == times


@reading
@respx.mock
async def test_every_call_that_reads_is_tried_again_and_both_exchanges_are_recorded(
    account: Account, name: str
) -> None:
    rows: Any = [] if name.endswith("oncall") else {**ALERT, "data": [], "has_more": False}
    replies = [httpx.Response(503), httpx.Response(200, json=rows)]
    mock(name).mock(side_effect=replies)
    await READING[name](account)
    assert [(done.status, done.error is None) for done in account.exchanges] == [
        (503, False),
        (200, True),
    ]


@respx.mock
async def test_a_short_retry_after_is_waited_for(account: Account) -> None:
    busy = httpx.Response(429, headers={"Retry-After": "0.01"})
    mock("GET /teams").mock(side_effect=[busy, page("t")])
    assert await account.list_teams() == [RemoteTeam("t")]


@respx.mock
async def test_how_long_to_wait_is_passed_on(account: Account) -> None:
    mock("POST /alerts").respond(503, headers={"Retry-After": "60"})
    with pytest.raises(Ambiguous) as raised:
        await account.create_alert(NEW)
    assert (raised.value.http_status, raised.value.retry_after_s) == (503, 60)


@respx.mock
async def test_an_exchange_is_recorded_with_what_it_was(account: Account) -> None:
    mock("POST /alerts").respond(422, json={"errors": [{"message": f"{KEY}: no title"}]})
    before = datetime.now(UTC)
    with pytest.raises(Rejected):
        await account.create_alert(NEW)
    [done] = account.exchanges
    assert (done.method, done.path, done.status) == ("POST", "/alerts", 422)
    assert done.error == "PagerTree refused (HTTP 422): ***: no title"
    assert before <= done.started_at <= datetime.now(UTC)
    assert done.duration_ms >= 0


@respx.mock
async def test_an_answer_that_cannot_be_read_is_recorded_as_such(account: Account) -> None:
    mock("POST /alerts").respond(201, json={"alert": ALERT})
    with pytest.raises(Contract) as raised:
        await account.create_alert(NEW)
    assert raised.value.http_status == account.exchanges[0].status == 201
    assert account.exchanges[0].error == raised.value.detail


@respx.mock
async def test_nothing_needs_to_be_recorded(http: httpx.AsyncClient) -> None:
    mock("GET /teams").mock(return_value=page("t"))
    pagertree = PagerTree(http, pagertree_url=f"{BASE}/", api_key=KEY, timeout_s=1)
    assert await pagertree.list_teams() == [RemoteTeam("t")]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x",
        "http://xn--/\xe9",
        "http://\U0001f4a9.example",
        "http://x:port",
        "http://x:99999",
    ],
)
async def test_an_address_that_cannot_be_called_is_rejected(
    http: httpx.AsyncClient, url: str
) -> None:
    account = Account(http, pagertree_url=url)
    await assert_ends_in(account, CHANGING["POST /alerts"], Rejected, 1)


@pytest.mark.parametrize("key", ["", " k", "k\r\nX: y", "k\xe9y", "k\x00"])
async def test_a_key_that_no_header_can_hold_is_refused_and_not_quoted(
    http: httpx.AsyncClient, key: str
) -> None:
    account = Account(http, api_key=key)
    with pytest.raises(CredentialsRefused) as raised:
        await account.create_alert(NEW)
    assert not key or key not in str(raised.value)


@respx.mock
async def test_the_key_stands_in_no_log_and_no_text(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mock("POST /alerts").respond(401, text=f"{KEY} is no key")
    with pytest.raises(CredentialsRefused) as raised:
        await account.create_alert(NEW)
    everything = [caplog.text, repr(account), repr(account.exchanges), repr(raised.value)]
    assert KEY not in "".join(everything)
    assert KEY not in repr(Call("POST", "/alerts", "{}"))


class Chunks(httpx.AsyncByteStream):
    """A body of twice the limit, which knows how much of it was taken."""

    def __init__(self) -> None:
        self.taken_bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken_bytes < 2 * ANSWER_BYTES_MAX:
            self.taken_bytes += 65_536
            yield b" " * 65_536


@pytest.mark.parametrize(
    ("status", "error"), [(200, Contract), (422, Rejected), (500, Ambiguous), (429, Unavailable)]
)
@respx.mock
async def test_a_body_over_the_limit_is_not_read_to_its_end(
    account: Account, status: int, error: type[PagerTreeError]
) -> None:
    chunks = Chunks()
    mock("POST /alerts").mock(return_value=httpx.Response(status, stream=chunks))
    with pytest.raises(error, match=f"over {ANSWER_BYTES_MAX} bytes"):
        await account.create_alert(NEW)
    assert chunks.taken_bytes <= ANSWER_BYTES_MAX + 65_536


@respx.mock
async def test_a_list_page_that_is_too_large_is_not_asked_for_again(account: Account) -> None:
    mock("GET /teams").mock(return_value=httpx.Response(200, stream=Chunks()))
    await assert_ends_in(account, READING["GET /teams"], Contract, 1)


class Packed(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield gzip.compress(json.dumps(ALERT).encode())


@respx.mock
async def test_what_is_compressed_is_not_unpacked(account: Account) -> None:
    headers = {"Content-Encoding": "gzip"}
    route = mock("POST /alerts").mock(
        return_value=httpx.Response(201, headers=headers, stream=Packed())
    )
    with pytest.raises(Contract, match="not JSON"):
        await account.create_alert(NEW)
    assert route.calls.last.request.headers["Accept-Encoding"] == "identity"


@respx.mock
async def test_a_redirect_is_not_followed_and_a_cookie_not_kept(account: Account) -> None:
    elsewhere = respx.get("https://elsewhere.example/").respond(json={})
    headers = {"Location": "https://elsewhere.example/", "Set-Cookie": "session=1"}
    route = mock("GET /teams").respond(302, headers=headers)
    for _ in range(2):
        with pytest.raises(Contract):
            await account.list_teams()
    assert not elsewhere.called
    assert "Cookie" not in route.calls.last.request.headers


@pytest.mark.parametrize("name", ["POST /alerts", "GET /teams"])
@respx.mock
async def test_a_call_that_is_cancelled_stays_cancelled_and_is_recorded(
    account: Account, name: str
) -> None:
    asked = asyncio.Event()

    async def never(_request: httpx.Request) -> httpx.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    mock(name).mock(side_effect=never)
    task = asyncio.ensure_future((CHANGING | READING)[name](account))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(done.status, done.error) for done in account.exchanges] == [(None, "broken off")]

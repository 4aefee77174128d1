"""Asking PagerTree whether a key works: every way it can end."""

from typing import Any

import httpx
import pytest
import respx

from pagersync.errors import Contract, PagerTreeError, Rejected, Unavailable
from pagersync.pagertree.client import ATTEMPTS_MAX, verify_api_key

BASE = "https://api.pagertree.example/api/v4"
EMPTY = {"data": [], "has_more": False, "total_count": 0}


async def verify(http: httpx.AsyncClient, url: str = BASE) -> None:
    await verify_api_key(http, pagertree_url=url, api_key="k-planted")


@pytest.mark.parametrize("url", ["http://xn--/\xe9", "http://\U0001f4a9.example", "http://x:port"])
async def test_an_address_that_cannot_be_asked_is_rejected(
    http: httpx.AsyncClient, url: str
) -> None:
    with pytest.raises(Rejected, match="no usable address") as raised:
        await verify(http, url)
    assert "k-planted" not in str(raised.value)


@respx.mock
async def test_a_good_key_is_asked_for_one_team_with_a_bearer_header(
    http: httpx.AsyncClient,
) -> None:
    route = respx.get(f"{BASE}/teams", params={"limit": "1"}).respond(json=EMPTY)
    await verify(http)
    request = route.calls.last.request
    assert request.headers["Authorization"] == "Bearer k-planted"
    assert request.headers["User-Agent"].startswith("pagersync/")


@pytest.mark.parametrize(
    ("answer", "error", "times"),
    [
        ({"status_code": 401, "json": {"errors": [{"message": "no"}], "code": 401}}, Rejected, 1),
        ({"status_code": 403}, Rejected, 1),
        ({"status_code": 404, "text": "<html>"}, Contract, 1),
        ({"status_code": 422, "json": {"errors": [{"message": "bad limit"}]}}, Contract, 1),
        ({"status_code": 302, "headers": {"Location": "https://x/"}}, Contract, 1),
        ({"status_code": 200, "text": "<html>"}, Contract, 1),
        ({"status_code": 200, "json": []}, Contract, 1),
        ({"status_code": 200, "json": {"data": {}}}, Contract, 1),
        ({"status_code": 429}, Unavailable, ATTEMPTS_MAX),
        ({"status_code": 500, "text": "oops"}, Unavailable, ATTEMPTS_MAX),
        ({"status_code": 503}, Unavailable, ATTEMPTS_MAX),
    ],
)
@respx.mock
async def test_every_other_answer_is_one_of_our_errors(
    http: httpx.AsyncClient, answer: dict[str, Any], error: type[PagerTreeError], times: int
) -> None:
    route = respx.get(f"{BASE}/teams").respond(**answer)
    with pytest.raises(error) as raised:
        await verify(http)
    assert type(raised.value) is error
    assert route.call_count == times
    assert "k-planted" not in str(raised.value)


@pytest.mark.parametrize("failure", [httpx.ConnectError("refused"), httpx.ReadTimeout("slow")])
@respx.mock
async def test_no_answer_is_unavailable(http: httpx.AsyncClient, failure: Exception) -> None:
    respx.get(f"{BASE}/teams").mock(side_effect=failure)
    with pytest.raises(Unavailable):
        await verify(http)


@respx.mock
async def test_what_pagertree_says_is_passed_on(http: httpx.AsyncClient) -> None:
    respx.get(f"{BASE}/teams").respond(418, json={"errors": [{"message": "I am a teapot"}]})
    with pytest.raises(Contract, match="I am a teapot"):
        await verify(http)

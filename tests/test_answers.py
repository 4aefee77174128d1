"""What every answer has for browsers and caches, and what none has: the caller's `Host`."""

import asyncio
import re
from typing import Any

import pytest
from pydantic import HttpUrl

from pagersync.answer_headers import joined
from pagersync.http import AsyncClient, Response
from pagersync.settings import Settings
from tests.support.account import Account, event
from tests.support.server import running_server

PATHS = ("/livez", "/readyz", "/metrics", "/docs", "/redoc", "/openapi.json", "/nowhere")
SAFE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


def is_json(answer: Response) -> bool:
    kind = answer.headers["content-type"].partition(";")[0]
    return kind in {"application/json", "application/vnd.api+json"}


async def every_kind(api: AsyncClient, account: Account) -> list[Response]:
    """Return an answer of each part that answers."""
    key = {"data": {"type": "api_keys", "attributes": {"name": "n", "scopes": ["read"]}}}
    bad = {"Authorization": "Bearer x"}
    return [
        *[await api.get(path, timeout=30) for path in PATHS],
        await api.get("/v1/alerts"),
        await api.get("/v1/alerts", headers=bad),
        await api.get("/v1/nowhere"),
        await api.put("/v1/alerts"),
        await api.post("/v1/api_keys", json=key),
        await api.post("/v1/api_keys", content=b"{"),
        await account.post(event()),
        await api.get(account.url),
        await api.get("/docs/assets/swagger-ui.css"),
    ]


async def test_every_answer_has_the_headers_that_keep_browsers_and_caches_careful(
    api: AsyncClient, account: Account
) -> None:
    for answer in await every_kind(api, account):
        where = str(answer.request.url)
        assert {name: answer.headers.get(name) for name in SAFE} == SAFE, where
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), where
        needed = {"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"}
        assert needed <= set(policy.split("; ")), where
        is_page = answer.headers["content-type"].startswith("text/html")
        assert is_page != ("sandbox" in policy), where
        assert is_page or "charset" in answer.headers["content-type"] or is_json(answer), where
        assert "strict-transport-security" not in answer.headers, "it is not served by https"
        kept = answer.headers.get("cache-control") == "no-store"
        assert kept == answer.request.url.path.startswith("/v1"), where


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_may_run_what_stands_in_it_and_nothing_else(
    api: AsyncClient, path: str
) -> None:
    page = await api.get(path)
    script = next(
        part for part in page.headers["content-security-policy"].split("; ") if "script" in part
    )
    assert "unsafe" not in script
    inline = re.findall(r"<script(?: src=\"([^\"]*)\")?>", page.text)
    assert all(not source or source.startswith("/docs/assets/") for source in inline)
    assert script.count("sha256-") == sum(not source for source in inline)


@pytest.fixture
def behind_https(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": HttpUrl("https://sync.example.com/ps")})


async def test_links_begin_with_the_public_address_whatever_host_the_caller_names(
    behind_https: Settings, api: AsyncClient, token: str
) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    query = "/v1/alerts?page[size]=1&filter[source]=a%26b"
    plain = (await api.get(query, headers=evil)).json()["links"]
    assert plain["self"] == query.replace("[", "%5B").replace("]", "%5D") or plain["self"] == query
    async with running_server(behind_https, with_workers=False) as url:
        headers = evil | {"Authorization": f"Bearer {token}"}
        async with AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            answer = await client.get(query)
    assert "evil" not in answer.text
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    links: dict[str, Any] = {k: v for k, v in answer.json()["links"].items() if v}
    assert all(v.startswith("https://sync.example.com/ps/v1/alerts?") for v in links.values())


@pytest.mark.parametrize("slashes", ["/", "//"])
async def test_a_slash_at_the_end_of_a_path_means_nothing_and_nobody_is_redirected(
    api: AsyncClient, account: Account, server: str, slashes: str
) -> None:
    evil = {"Host": "evil.example"}
    for path in ("/v1/alerts", "/v1/nowhere", "/livez", "/metrics", "/docs", "/openapi.json"):
        plain = await api.get(path, headers=evil, timeout=30)
        slashed = await api.get(path + slashes, headers=evil, timeout=30)
        assert slashed.status_code == plain.status_code, path
        assert "location" not in slashed.headers, path
        assert "evil" not in slashed.text, path
    made = {"data": {"type": "alerts", "attributes": {"summary": "x"}}}
    assert (await api.post(f"/v1/alerts{slashes}", json=made)).status_code == 201
    async with AsyncClient(base_url=server, trust_env=False) as stranger:
        assert (await stranger.get(f"/v1/alerts{slashes}")).status_code == 401
        hook = account.url + slashes
        answer = await stranger.post(hook, params={"secret": account.secret}, json=event())
        assert answer.status_code == 202


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND"])
async def test_a_method_that_is_not_listed_is_refused(api: AsyncClient, method: str) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for path in ("/v1/alerts", "/livez", "/docs", "/metrics"):
        answer = await api.request(method, path, headers=headers)
        assert answer.status_code == 405, path
        assert "evil" not in answer.text, path
        assert not [name for name in answer.headers if name.startswith("access-control")]


AMBIGUOUS = {
    "both": b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 6\r\nContent-Length: 0\r\n",
    "another coding": b"Transfer-Encoding: xchunked\r\n",
    "a space before the colon": b"Content-Length : 6\r\n",
    "a folded header": b"Content-Length: 6\r\nX: a\r\n Content-Length: 0\r\n",
    "a bare line feed": b"Content-Length: 6\nX: a\r\n",
}


@pytest.mark.parametrize("kind", AMBIGUOUS)
async def test_a_message_whose_end_could_be_read_in_two_ways_is_refused(
    server: str, kind: str
) -> None:
    smuggled = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.rpartition(":")[2]))
    head = b"POST /v1/pages HTTP/1.1\r\nHost: x\r\n" + AMBIGUOUS[kind] + b"\r\n"
    writer.write(head + b"0\r\n\r\n" + smuggled)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1, "nothing behind it is answered"


def test_what_an_answer_has_itself_stays() -> None:
    own = [(b"Cache-Control", b"public")]
    added = ((b"cache-control", b"no-store"), (b"x-frame-options", b"DENY"))
    assert joined(own, added) == [*own, added[1]]

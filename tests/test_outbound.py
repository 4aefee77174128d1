"""Calls to addresses that users choose, against real servers: where they go, and where not."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pagersync.http import URL, AsyncClient
from pagersync.outbound import (
    ANSWER_BYTES_MAX,
    OutboundAnswer,
    OutboundError,
    OutboundRefusedError,
    Resolve,
    check_host,
    create_outbound_client,
    parse_url,
    refusal_of,
    send,
)
from pagersync.threads import MATCHING, RENDERING, run_in
from tests.support.echo import Echo
from tests.support.server import serving


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def url(echo: Echo) -> AsyncIterator[str]:
    async with serving(echo) as address:
        yield address


async def get(
    url: str,
    *,
    allows_private: bool = True,
    resolve: Resolve | None = None,
    timeout_s: float = 5,
) -> OutboundAnswer:
    async with create_outbound_client(
        timeout_s=5,
        allows_private=allows_private,
        setting="PAGERSYNC_HTTP_CLIENT_PRIVATE_ADDRESSES",
        resolve=resolve,
    ) as client:
        return await send(client, client.build_request("GET", url), timeout_s=timeout_s)


def resolving_to(*answers: list[str]) -> Resolve:
    """Return a resolver that gives one answer after another, as one that rebinds names does."""
    remaining = list(answers)

    async def resolve(_host: str, _port: int) -> list[str]:
        return remaining.pop(0)

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - to be refused
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.8.8.8",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert refusal_of(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"],
)
def test_a_public_address_is_not_refused(address: str) -> None:
    assert refusal_of(address) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
async def test_a_local_server_is_not_called_unless_it_is_allowed(
    host: str, url: str, echo: Echo
) -> None:
    port = URL(url).port
    with pytest.raises(OutboundRefusedError) as refused:
        await get(f"http://{host}:{port}/", allows_private=False)
    assert "PAGERSYNC_HTTP_CLIENT_PRIVATE_ADDRESSES=true would allow it" in refused.value.detail
    assert not echo.requests


async def test_a_local_server_is_called_when_it_is_allowed(url: str, echo: Echo) -> None:
    answer = await get(f"{url}/hello?a=1")
    assert answer.status == 200
    assert [(r["method"], r["path"], r["query"]) for r in echo.requests] == [
        ("GET", "/hello", "a=1")
    ]
    assert echo.requests[0]["headers"]["host"] == url.removeprefix("http://")


async def test_a_host_with_one_private_address_among_public_ones_is_refused(echo: Echo) -> None:
    with pytest.raises(OutboundRefusedError, match=r"its address 10\.0\.0\.1 is private"):
        await get(
            "http://hooks.example/",
            allows_private=False,
            resolve=resolving_to(["1.1.1.1", "10.0.0.1"]),
        )
    assert not echo.requests


async def test_the_address_that_was_checked_is_the_one_that_is_called(url: str, echo: Echo) -> None:
    """The name means something else when it is asked for again: it is not asked for again."""
    port = URL(url).port
    answer = await get(
        f"http://hooks.example:{port}/", resolve=resolving_to(["127.0.0.1"], ["192.0.2.1"])
    )
    assert answer.status == 200
    assert echo.requests[0]["headers"]["host"] == f"hooks.example:{port}"


async def test_the_next_address_is_called_when_one_cannot_be_reached(url: str, echo: Echo) -> None:
    port = URL(url).port
    await get(f"http://hooks.example:{port}/", resolve=resolving_to(["::1", "127.0.0.1"]))
    assert len(echo.requests) == 1


async def test_a_redirect_is_not_followed(url: str, echo: Echo) -> None:
    assert (await get(f"{url}/redirect")).status == 302
    assert len(echo.requests) == 1


async def test_the_proxies_of_the_environment_are_not_used(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert (await get(url)).status == 200


async def test_an_answer_is_read_up_to_a_limit_and_no_further(url: str, echo: Echo) -> None:
    """Its server does not end it before that."""
    assert len((await get(f"{url}/stalls")).body) == ANSWER_BYTES_MAX
    echo.released.set()


async def test_an_answer_that_comes_drop_by_drop_ends_at_the_deadline(url: str) -> None:
    with pytest.raises(OutboundError, match=r"no whole answer within 0\.2 s"):
        await get(f"{url}/slow", timeout_s=0.2)


async def test_a_host_that_does_not_answer_is_named() -> None:
    with pytest.raises(OutboundError, match=r"127\.0\.0\.1 did not answer: ConnectError"):
        await get("http://127.0.0.1:1/")
    with pytest.raises(OutboundError, match=r"hooks\.example did not answer: ConnectError"):
        await get("http://hooks.example/", resolve=resolving_to([]))


async def test_a_name_that_cannot_be_resolved_is_named() -> None:
    with pytest.raises(OutboundError, match=r"nowhere\.invalid did not answer"):
        await get("http://nowhere.invalid/", timeout_s=20)


async def test_a_name_that_no_resolver_takes_is_named() -> None:
    name = f"{'a' * 64}.example.com"
    with pytest.raises(OutboundError, match=name):
        await get(f"http://{name}/")


async def test_connections_are_not_kept(url: str) -> None:
    """One opened for one name would serve another that has the same address."""
    async with create_outbound_client(
        timeout_s=5, allows_private=True, setting="PAGERSYNC_HTTP_CLIENT_PRIVATE_ADDRESSES"
    ) as client:
        ports = {await local_port(client, url) for _ in range(3)}
    assert len(ports) == 3


async def local_port(client: AsyncClient, url: str) -> int:
    response = await client.send(client.build_request("GET", url), stream=True)
    port: int = response.extensions["network_stream"].get_extra_info("client_addr")[1]
    await response.aread()
    return port


async def test_tls_is_asked_for_by_name_and_its_certificate_is_checked(tmp_path: Path) -> None:
    names: list[str | None] = []
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(self_signed(tmp_path, "hooks.example"))
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OutboundError, match="CERTIFICATE_VERIFY_FAILED"):
        await get(f"https://hooks.example:{port}/", resolve=resolving_to(["127.0.0.1"]))
    server.close()
    assert names == ["hooks.example"]


def self_signed(directory: Path, name: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


ALLOWED = ["hooks.example.com", " *.Example.org. ", ""]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a",
        "https://HOOKS.example.com:8443/",
        "https://hooks.example.com./",
        "http://a.example.org",
        "http://a.b.example.org",
    ],
)
def test_a_host_on_the_list_may_be_called(url: str) -> None:
    check_host(parse_url(url), ALLOWED, setting="HOSTS")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://example.org/",
        "https://evilexample.org/",
        "https://hooks.example.com.evil.net/",
        "https://evil.net/hooks.example.com",
        "https://evil.net#hooks.example.com",
        "https://xhooks.example.com",
    ],
)
def test_a_host_that_is_not_on_the_list_is_refused_with_the_setting(url: str) -> None:
    with pytest.raises(OutboundRefusedError, match="may not be called: HOSTS does not list it"):
        check_host(parse_url(url), ALLOWED, setting="HOSTS")


def test_an_empty_list_allows_nothing() -> None:
    with pytest.raises(OutboundRefusedError):
        check_host(parse_url("https://example.com"), [], setting="HOSTS")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http://a:b:c/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "https://user:s3cret@example.com/",
    ],
)
def test_what_is_no_url_to_call_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(OutboundRefusedError) as refused:
        parse_url(url)
    assert "s3cret" not in refused.value.detail


async def test_a_slow_name_server_keeps_no_thread_that_a_page_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **_options: answered.wait(20) and [])
    async with create_outbound_client(timeout_s=20, allows_private=True, setting="X") as client:
        calls = [
            asyncio.create_task(client.get(f"http://slow-{number}.example.com"))
            for number in range(64)
        ]
        await asyncio.sleep(0.05)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(5):
            assert (
                await loop.run_in_executor(None, lambda: "PagerTree's name") == "PagerTree's name"
            )
            assert await run_in(MATCHING, lambda: "matched") == "matched"
            assert await run_in(RENDERING, lambda: "rendered") == "rendered"
        answered.set()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

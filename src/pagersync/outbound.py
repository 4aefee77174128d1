"""Calls to addresses that users choose: only where they may go, and never for long.

A host name is resolved here, every address that it has is checked, and the call goes to one of
those very addresses: a name that means something else a moment later changes nothing. The TLS
certificate is still checked against the name. Redirects are not followed, the environment's proxies
are not used, and connections are not kept: one that was opened for a name serves no other.
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from pagersync.errors import PagersyncError
from pagersync.http import (
    URL,
    USER_AGENT,
    AsyncBaseTransport,
    AsyncClient,
    BoundedTransport,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    InvalidURL,
    Limits,
    Request,
    Response,
    Timeout,
)
from pagersync.threads import WEBHOOK_LOOKUPS, Threads, run_in

CONNECTIONS_MAX: Final = 20
ADDRESSES_TRIED_MAX: Final = 4
ANSWER_BYTES_MAX: Final = 64 * 1024
PORT_MAX: Final = 65_535

Resolve = Callable[[str, int], Awaitable[list[str]]]

_HOST: Final = re.compile(r"([a-zA-Z0-9_-]{1,63}\.)*[a-zA-Z0-9_-]{1,63}")

_NOT_PUBLIC: Final = tuple(
    ip_network(network)
    for network in (
        "192.88.99.0/24",  # relays of 6to4
        "64:ff9b::/96",  # NAT64: stands for any IPv4 address
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",  # 6to4: stands for any IPv4 address
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
    )
)


class OutboundError(PagersyncError):
    """A call to an address that a user chose brought no answer."""

    code = "outbound_failed"
    status = 502
    title = "The call failed"


class OutboundRefusedError(OutboundError):
    """The call may not be made; `detail` says which setting would allow it."""

    code = "outbound_refused"
    status = 422
    title = "The call is not allowed"


@dataclass(frozen=True, slots=True)
class OutboundAnswer:
    """What was answered.

    Attributes:
        body: its beginning, up to a limit, as it came: never decompressed.
        retry_after: the header of that name.
    """

    status: int
    body: bytes
    retry_after: str | None


def create_outbound_client(
    *, timeout_s: float, allows_private: bool, setting: str, resolve: Resolve | None = None
) -> AsyncClient:
    """Return a client that resolves names itself and refuses addresses that are not public.

    Args:
        timeout_s: longest wait for each part of a call; `send` limits all of it.
        allows_private: whether private, local and reserved addresses may be called all the same.
        setting: the setting that says so, for whoever is refused.
        resolve: what addresses a name has; the system's resolver, in threads of webhooks, unless
            somebody knows better.
    """
    transport = _CheckedTransport(
        allows_private=allows_private, setting=setting, resolve=resolve or resolver(WEBHOOK_LOOKUPS)
    )
    return AsyncClient(
        transport=transport,
        timeout=Timeout(timeout_s),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
    )


async def send(
    client: AsyncClient,
    request: Request,
    *,
    timeout_s: float,
    answer_bytes_max: int = ANSWER_BYTES_MAX,
) -> OutboundAnswer:
    """Make a call once, and read the beginning of its answer.

    `timeout_s` is the longest time for all of it, from the look-up of the name to the last byte.

    Raises:
        OutboundRefusedError: the host has an address that may not be called.
        OutboundError: no answer came, or not in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            response = await client.send(request, stream=True)
            try:
                body = await _beginning(response, answer_bytes_max)
            finally:
                await response.aclose()
    except TimeoutError:
        raise OutboundError(f"no whole answer within {timeout_s:g} s") from None
    except (HTTPError, OSError, UnicodeError) as error:  # a name that cannot be encoded
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise OutboundError(f"{request.url.host} did not answer: {reason}") from None
    return OutboundAnswer(response.status_code, body, response.headers.get("Retry-After"))


def parse_url(url: str) -> URL:
    """Return a URL that can be called.

    Raises:
        OutboundRefusedError: it is none.
    """
    try:
        parsed = URL(url)
        host = parsed.host and _ascii_host(parsed)
    except (InvalidURL, ValueError, TypeError):
        raise OutboundRefusedError("that is no URL") from None  # it may hold a secret
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise OutboundRefusedError("the URL must begin with https:// or http:// and have a host")
    if ":" not in host and not _HOST.fullmatch(host):
        raise OutboundRefusedError("the URL's host is neither a name nor an address")
    if parsed.port is not None and not 0 < parsed.port <= PORT_MAX:
        raise OutboundRefusedError(f"the URL's port must lie between 1 and {PORT_MAX}")
    if parsed.userinfo:
        raise OutboundRefusedError("the URL must not hold a user or a password: use a header")
    return parsed


def check_host(url: URL, allowed_hosts: Sequence[str], *, setting: str) -> None:
    """Return if a URL's host is on a list: `hooks.example.com`, or `*.example.com` for all below.

    Raises:
        OutboundRefusedError: it is not; the detail names the setting that holds the list.
    """
    host = url.host.lower().rstrip(".")
    names = (host, _ascii_host(url))
    wanted = [allowed.strip().lower().rstrip(".") for allowed in allowed_hosts]
    if not any(_fits(name, allowed) for name in names for allowed in wanted):
        raise OutboundRefusedError(f"{host} may not be called: {setting} does not list it")


def refusal_of(address: str) -> str | None:
    """Return why an IP address is none of the public internet's, or None for one that is."""
    parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    inner = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    parsed = inner or parsed
    for name in ("loopback", "link_local", "multicast", "unspecified", "reserved", "private"):
        if getattr(parsed, f"is_{name}"):
            return name.replace("_", "-")
    if not parsed.is_global or any(parsed in network for network in _NOT_PUBLIC):
        return "not public"
    return "site-local" if isinstance(parsed, IPv6Address) and parsed.is_site_local else None


def address_without_lookup(url: URL) -> str | None:
    """Return the address that a URL's host means to everybody; None: one has to look it up.

    Resolvers read `2130706433`, `0x7f.1` and `0177.0.0.1` as addresses, too.
    """
    host = _ascii_host(url).lower()
    if f".{host}".endswith(".localhost"):  # RFC 6761, 6.3
        return "127.0.0.1"
    if ":" in host:
        return host
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError:
        return None


def resolver(threads: Threads) -> Resolve:
    """Return what looks names up in threads of its own.

    The event loop has few threads for that, and PagerTree's and the database's names need them: a
    name server that is slow for a host that users chose must not keep a page waiting.
    """

    async def resolve(host: str, port: int) -> list[str]:
        """Return every address that the system knows for a name, in its order."""
        found = await run_in(threads, socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    return resolve


class _CheckedTransport(AsyncBaseTransport):
    """Sends a request to an address of its host that was checked."""

    def __init__(self, *, allows_private: bool, setting: str, resolve: Resolve) -> None:
        self._allows_private = allows_private
        self._setting = setting
        self._resolve = resolve
        limits = Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=0)
        self._http = BoundedTransport(limits=limits)

    async def handle_async_request(self, request: Request) -> Response:
        """Resolve, check, and call the first address that can be reached."""
        host, port = _ascii_host(request.url), request.url.port
        addresses = await self._resolve(host, port or {"http": 80}.get(request.url.scheme, 443))
        if not self._allows_private:
            check_addresses(host, addresses, setting=self._setting)
        failure: ConnectError | ConnectTimeout = ConnectError(f"{host} has no address")
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            try:
                return await self._http.handle_async_request(_at(request, host, address))
            except (ConnectError, ConnectTimeout) as error:  # nothing was sent
                failure = error
        raise failure

    async def aclose(self) -> None:
        await self._http.aclose()


def check_addresses(host: str, addresses: Sequence[str], *, setting: str) -> None:
    """Return if every address of a host is one of the public internet's.

    Raises:
        OutboundRefusedError: one is not; the detail names the setting that would allow it.
    """
    for address in addresses:
        if reason := refusal_of(address):
            raise OutboundRefusedError(
                f"{host} may not be called: its address {address} is {reason}; "
                f"{setting}=true would allow it"
            )


def _at(request: Request, host: str, address: str) -> Request:
    """Return the request for one address; its `Host` and its TLS name stay the host's."""
    return Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )


def _ascii_host(url: URL) -> str:
    return url.raw_host.decode("ascii").rstrip(".")


async def _beginning(response: Response, bytes_max: int) -> bytes:
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) >= bytes_max:
            break
    return bytes(body[:bytes_max])


def _fits(host: str, allowed: str) -> bool:
    if allowed.startswith("*."):
        return host.endswith(allowed[1:]) and host != allowed[2:]
    return host == allowed != ""

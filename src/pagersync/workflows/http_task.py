"""The task `http_client`: a call to an address that the workflow's author chose.

Parameters have Rootly's names and meanings. Headers and bodies are never logged, and what a task's
run keeps of the call holds none of its secrets.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from pagersync.errors import InvalidError
from pagersync.http import URL, AsyncClient, Request
from pagersync.jsonapi import Nothing
from pagersync.outbound import (
    ANSWER_BYTES_MAX,
    OutboundAnswer,
    OutboundError,
    OutboundRefusedError,
    check_host,
    parse_url,
    send,
)
from pagersync.pagertree.payloads import storable
from pagersync.secrets.references import MARKER, NO_SECRETS, CallSecrets, unmark
from pagersync.workflows.template_regex import compile_pattern

HOSTS_SETTING: Final = "PAGERSYNC_HTTP_CLIENT_HOSTS"
BODY_EXCERPT_CHARACTERS_MAX: Final = 2_000
RETRY_AFTER_S_MAX: Final = 90
SECRET_CHARACTERS_MIN: Final = 6
TOO_MANY_REQUESTS: Final = 429
HIDDEN: Final = "[hidden]"

HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
HEADERS_OF_THE_CONNECTION: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NO_SECRETS: Final = frozenset({"accept", "content-type", "user-agent"})


class HttpClientParams(BaseModel):
    """Rootly's `http_client_task_params`, before or after rendering.

    Rootly gives `headers` and `params` as texts that are JSON objects; whether they are shows
    after rendering.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task_type: Literal["http_client"]
    url: str = Field(min_length=1, max_length=8_000)
    succeed_on_status: Annotated[
        str, BeforeValidator(lambda value: str(value) if type(value) is int else value)
    ] = Field(min_length=1, description="A regular expression: `200`, `200|203`, `20[0-3]`.")
    method: Literal["GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"] = "GET"
    headers: str | None = Field(default=None, description="A JSON object of HTTP headers.")
    params: str | None = Field(default=None, description="A JSON object for the URL's query.")
    body: str | None = None
    event_url: str | None = None
    event_message: str | None = None
    post_to_incident_timeline: bool = False
    post_to_slack_channels: list[Any] = Field(default_factory=list, max_length=0)
    retry_count: int = Field(default=0, ge=0, le=4, description="Of calls answered with 429.")
    retry_wait_time: int = Field(default=1, ge=1, le=15, description="In seconds.")
    follow_redirects: bool | None = Field(
        default=None,
        description="Redirects are not followed, whatever it says: `succeed_on_status` decides "
        "about a 302 as about any other status.",
    )
    expected_response_headers: Nothing = None

    @field_validator("succeed_on_status")
    @classmethod
    def _is_a_pattern(cls, pattern: str) -> str:
        if "{{" not in pattern and "{%" not in pattern:
            compile_pattern(pattern)
        return pattern


@dataclass(frozen=True, slots=True)
class HttpResult:
    """What a call came to.

    Attributes:
        body_excerpt: the beginning of the answer; what was sent along as a header or in the query
            is hidden in it.
        attempts: 1, and one more for each retry.
    """

    status: int
    body_excerpt: str
    duration_ms: int
    attempts: int


class UnexpectedStatusError(OutboundError):
    """The answer's status is none of those that count as success.

    Attributes:
        result: what was answered.
    """

    code = "unexpected_status"
    title = "Unexpected status"

    def __init__(self, detail: str, result: HttpResult) -> None:
        super().__init__(detail)
        self.result = result


async def call(
    client: AsyncClient,
    params: HttpClientParams,
    *,
    hosts: Sequence[str],
    timeout_s: float,
    secrets: CallSecrets = NO_SECRETS,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> HttpResult:
    """Make the call; again only after a 429, which says that the server did not act.

    A `Retry-After` of up to 90 s is waited for, as Rootly does, so all of it takes at most
    `retry_count` times that and `timeout_s` for each attempt.

    Args:
        client: from `create_outbound_client`.
        params: after rendering.
        hosts: those that may be called.
        timeout_s: longest time of one attempt.
        secrets: what takes the place of markers, and stands in no result.
        pause: waits, in seconds.

    Raises:
        InvalidError: `headers` or `params` is no JSON object of texts, or has what cannot be sent;
            or `succeed_on_status` is no regular expression. Nothing was sent.
        OutboundRefusedError: the host or its address may not be called.
        OutboundError: no answer came, or not in time.
        UnexpectedStatusError: the status does not fit.
    """
    url = _url(params.url.strip(), secrets)
    expected = _pattern(params.succeed_on_status)
    check_host(url, hosts, setting=HOSTS_SETTING)
    headers, query = _headers(params, secrets), _json_map("params", params.params, secrets)
    params = params.model_copy(update={"body": secrets.fill_body(params.body)})
    begun_s, attempts = time.monotonic(), 0
    while True:
        attempts += 1
        request = _request(client, params, url, headers, query)
        answer = await send(client, request, timeout_s=timeout_s)
        if answer.status != TOO_MANY_REQUESTS or attempts > params.retry_count:
            break
        await pause(_pause_s(params, answer))
    result = HttpResult(
        status=answer.status,
        body_excerpt=excerpt(answer.body, _secrets(url, headers, query), secrets),
        duration_ms=round((time.monotonic() - begun_s) * 1000),
        attempts=attempts,
    )
    if not expected.fullmatch(str(answer.status)):
        raise UnexpectedStatusError(
            f"{url.host} answered {answer.status}, and {params.succeed_on_status} was expected",
            result,
        )
    return result


def _url(text: str, secrets: CallSecrets) -> URL:
    """Return the address of a call with its secrets.

    Raises:
        OutboundRefusedError: it cannot be called, or a template has put a secret into its host,
            which is looked up, and which errors name.
    """
    if not MARKER.match(text) and MARKER.search(parse_url(text).host):
        raise OutboundRefusedError("a secret cannot be a part of the URL's host")
    return parse_url(secrets.fill_url(text))


def without_secrets(params: HttpClientParams) -> dict[str, Any]:
    """Return rendered parameters as a task's run may keep them: no header's value, no query."""
    shown = params.model_dump(exclude_none=True)
    for name in ("headers", "params"):
        if name in shown:
            shown[name] = json.dumps(dict.fromkeys(_json_map(name, shown[name]), HIDDEN))
    if "body" in shown:
        shown["body"] = HIDDEN
    shown["url"] = _shown_url(params.url.strip())
    return dict(unmark(shown))


def _shown_url(text: str) -> str:
    """Return an address as it may be shown; of one that begins with a secret nothing else."""
    begins = MARKER.match(text)
    return begins.group() if begins else str(parse_url(text).copy_with(query=None, fragment=None))


def masked(task_params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's parameters, before rendering, without what may log in somewhere."""
    if task_params.get("task_type") != "http_client":
        return dict(task_params)
    hidden = {
        name: HIDDEN if name in ("headers", "params", "body") and value else value
        for name, value in task_params.items()
    }
    return hidden | {"url": without_query(str(task_params.get("url", "")))}


def without_query(url: str) -> str:
    """Return an address without its query, which may log in somewhere."""
    address, mark, _ = url.partition("?")
    return f"{address}?{HIDDEN}" if mark else address


def _request(
    client: AsyncClient,
    params: HttpClientParams,
    url: URL,
    headers: Mapping[str, str],
    query: Mapping[str, str],
) -> Request:
    content = None if params.body is None else params.body.encode()
    given = dict(headers)
    if content and "content-type" not in {name.lower() for name in headers}:
        given["Content-Type"] = _content_type(params.body)
    return client.build_request(
        params.method,
        url.copy_merge_params(query) if query else url,
        headers=given,
        content=content,
    )


def _pattern(text: str) -> Any:
    try:
        return compile_pattern(text)
    except ValueError as error:
        raise InvalidError(str(error), pointer="/succeed_on_status") from None


def _content_type(body: str | None) -> str:
    try:
        json.loads(body or "")
    except (ValueError, RecursionError):
        return "text/plain; charset=utf-8"
    return "application/json"


def _headers(params: HttpClientParams, secrets: CallSecrets) -> dict[str, str]:
    """Return the headers to send.

    Raises:
        InvalidError: one cannot be sent, or says where the call goes or how it is framed.
    """
    given = _json_map("headers", params.headers, secrets)
    headers = {name: value.strip(" \t") for name, value in given.items()}
    for name, value in headers.items():
        if not HEADER_NAME.fullmatch(name) or not HEADER_VALUE.fullmatch(value):
            raise InvalidError(f"the header {name[:100]!r} cannot be sent", pointer="/headers")
        if name.lower() in HEADERS_OF_THE_CONNECTION:
            raise InvalidError(f"the header {name!r} cannot be set here", pointer="/headers")
    return headers


def _json_map(name: str, text: str | None, secrets: CallSecrets = NO_SECRETS) -> dict[str, str]:
    """Return what a JSON object of texts says; numbers and booleans are taken as texts.

    Raises:
        InvalidError: it is no such thing.
    """
    if text is None or not text.strip():
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InvalidError(f"{name} is no JSON object", pointer=f"/{name}")
    if wrong := [key for key, value in given.items() if not isinstance(value, str | int | float)]:
        raise InvalidError(f"{name}: {wrong[0]!r} is no text", pointer=f"/{name}")
    return {
        secrets.fill(key): secrets.fill(value if isinstance(value, str) else json.dumps(value))
        for key, value in given.items()
    }


def _pause_s(params: HttpClientParams, answer: OutboundAnswer) -> float:
    asked = answer.retry_after or ""
    asked_s = int(asked) if asked.isdecimal() and len(asked) < 4 else 0  # noqa: PLR2004 - digits
    return max(params.retry_wait_time, asked_s if asked_s <= RETRY_AFTER_S_MAX else 0)


def _secrets(url: URL, headers: Mapping[str, str], query: Mapping[str, str]) -> set[str]:
    """Return what was sent along and might be a secret, each word of it too."""
    sent = [value for name, value in headers.items() if name.lower() not in _NO_SECRETS]
    sent += [*query.values(), *(value for _, value in url.params.multi_items())]
    words = {word for value in sent for word in (value, *value.split())}
    return {word for word in words if len(word) >= SECRET_CHARACTERS_MIN}


def excerpt(body: bytes, sent: set[str], secrets: CallSecrets) -> str:
    """Return the beginning of an answer without secrets.

    Only what may become a part of it is looked at. Its end may be a part of a secret, and goes.
    """
    whole = storable(body.decode(errors="replace"))
    longest = max([1, secrets.characters_max, *map(len, sent)])
    looked_at = whole[: BODY_EXCERPT_CHARACTERS_MAX + longest]
    text = secrets.hide(looked_at, is_cut=len(body) >= ANSWER_BYTES_MAX)
    for value in sorted(sent, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    if len(looked_at) < len(whole):
        text = text[:-longest]
    return text[:BODY_EXCERPT_CHARACTERS_MAX]

"""The task `http_client`: Rootly's parameters, against a real server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import ValidationError

from pagersync.errors import InvalidError
from pagersync.http import AsyncClient
from pagersync.outbound import OutboundError, OutboundRefusedError, create_outbound_client
from pagersync.secrets.references import NO_SECRETS, CallSecrets
from pagersync.workflows.http_task import (
    BODY_EXCERPT_CHARACTERS_MAX,
    HttpClientParams,
    HttpResult,
    UnexpectedStatusError,
    call,
    excerpt,
    without_secrets,
)
from tests.support.echo import Echo
from tests.support.server import serving

SECRET = "s3cret-t0ken"


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def url(echo: Echo) -> AsyncIterator[str]:
    async with serving(echo) as address:
        yield address


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with create_outbound_client(
        timeout_s=5, allows_private=True, setting="PAGERSYNC_HTTP_CLIENT_PRIVATE_ADDRESSES"
    ) as client:
        yield client


class Calling:
    """Calls, and keeps how long it would have waited."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.pauses: list[float] = []

    async def __call__(
        self, url: str, *, hosts: tuple[str, ...] = ("127.0.0.1",), **given: Any
    ) -> HttpResult:
        """Make a call with some parameters; a 200 is expected unless they say otherwise."""

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        params = {"task_type": "http_client", "url": url, "succeed_on_status": "200", **given}
        timeout_s = params.pop("timeout_s", 5)
        return await call(
            self.client,
            HttpClientParams.model_validate(params),
            hosts=hosts,
            timeout_s=timeout_s,
            pause=pause,
        )


@pytest.fixture
def calling(client: AsyncClient) -> Calling:
    return Calling(client)


async def test_method_headers_query_and_body_arrive(calling: Calling, url: str, echo: Echo) -> None:
    result = await calling(
        f"{url}/hook?a=1",
        method="POST",
        headers=json.dumps({"Authorization": f"Bearer {SECRET}", "X-Number": 7}),
        params=json.dumps({"b": "2 & 3", "c": True}),
        body='{"text": "Datenbank läuft nicht"}',
    )
    assert (result.status, result.attempts) == (200, 1)
    (request,) = echo.requests
    assert (request["method"], request["query"]) == ("POST", "a=1&b=2+%26+3&c=true")
    assert request["body"] == '{"text": "Datenbank läuft nicht"}'
    assert request["headers"]["authorization"] == f"Bearer {SECRET}"
    assert request["headers"]["x-number"] == "7"
    assert request["headers"]["content-type"] == "application/json"


async def test_a_body_that_is_no_json_is_text(calling: Calling, url: str, echo: Echo) -> None:
    await calling(url, method="PUT", body="Down!")
    await calling(url, method="PUT", body="Down!", headers='{"content-type": "text/x-own"}')
    types = [request["headers"]["content-type"] for request in echo.requests]
    assert types == ["text/plain; charset=utf-8", "text/x-own"]


async def test_what_was_sent_along_is_hidden_in_what_is_kept(calling: Calling, url: str) -> None:
    """The server repeats everything it was sent."""
    result = await calling(
        f"{url}/?key={SECRET}1",
        headers=json.dumps({"Authorization": f"Bearer {SECRET}2"}),
        params=json.dumps({"token": f"{SECRET}3"}),
    )
    assert "authorization" in result.body_excerpt
    assert SECRET not in result.body_excerpt


async def test_spaces_around_a_header_are_not_sent_and_show_it_in_no_error(
    calling: Calling, url: str, echo: Echo
) -> None:
    await calling(f"{url}/", headers=json.dumps({"Authorization": f"Bearer {SECRET} "}))
    assert echo.requests[0]["headers"]["authorization"] == f"Bearer {SECRET}"


async def test_only_the_beginning_of_an_answer_is_kept(calling: Calling, url: str) -> None:
    result = await calling(f"{url}/large")
    assert result.body_excerpt == "x" * BODY_EXCERPT_CHARACTERS_MAX


@pytest.mark.parametrize("offset", [0, 5, 1_990, 1_995, 2_000])
def test_no_part_of_a_value_stands_at_the_end_of_what_is_kept(offset: int) -> None:
    for secrets, sent in ((CallSecrets(written=(SECRET,)), set[str]()), (NO_SECRETS, {SECRET})):
        kept = excerpt(("." * offset + SECRET * 3_000).encode(), sent, secrets)
        assert not set(kept) & set("s3crt-0k")


@pytest.mark.parametrize(
    ("pattern", "status"), [("200", 200), ("200|203", 203), (200, 200), ("404", 404), ("20.", 204)]
)
async def test_a_status_that_fits_is_success(
    calling: Calling, url: str, pattern: str | int, status: int
) -> None:
    result = await calling(f"{url}/status/{status}", succeed_on_status=pattern)
    assert result.status == status


@pytest.mark.parametrize(
    ("pattern", "status"), [("20[0-3]", 204), ("20", 200), ("2..", 302), ("2", 500)]
)
async def test_a_status_that_does_not_fit_the_whole_pattern_is_an_error(
    calling: Calling, url: str, pattern: str, status: int
) -> None:
    with pytest.raises(UnexpectedStatusError) as error:
        await calling(f"{url}/status/{status}", succeed_on_status=pattern)
    assert error.value.detail == f"127.0.0.1 answered {status}, and {pattern} was expected"
    assert error.value.result.status == status


async def test_a_redirect_is_an_answer_like_another(calling: Calling, url: str) -> None:
    with pytest.raises(UnexpectedStatusError, match="answered 302"):
        await calling(f"{url}/redirect")


async def test_a_call_that_was_one_too_many_is_made_again(
    calling: Calling, url: str, echo: Echo
) -> None:
    result = await calling(f"{url}/busy/2", retry_count=2, retry_wait_time=3)
    assert (result.status, result.attempts, len(echo.requests)) == (200, 3, 3)
    assert calling.pauses == [3, 3]


async def test_retries_end(calling: Calling, url: str, echo: Echo) -> None:
    with pytest.raises(UnexpectedStatusError, match="answered 429"):
        await calling(f"{url}/busy/9", retry_count=1)
    assert len(echo.requests) == 2


@pytest.mark.parametrize(
    ("retry_after", "waited_s"), [("7", 7), ("1", 2), ("90", 90), ("91", 2), ("soon", 2)]
)
async def test_the_longer_of_both_pauses_is_waited_for(
    calling: Calling, url: str, retry_after: str, waited_s: int
) -> None:
    await calling(f"{url}/busy/1/{retry_after}", retry_count=1, retry_wait_time=2)
    assert calling.pauses == [waited_s]


@pytest.mark.parametrize("path", ["status/500", "status/503", "status/408"])
async def test_a_server_that_may_have_acted_is_not_called_again(
    calling: Calling, url: str, echo: Echo, path: str
) -> None:
    with pytest.raises(UnexpectedStatusError):
        await calling(f"{url}/{path}", retry_count=4)
    assert len(echo.requests) == 1


async def test_a_host_that_is_not_listed_is_not_called(
    calling: Calling, url: str, echo: Echo
) -> None:
    with pytest.raises(OutboundRefusedError, match="PAGERSYNC_HTTP_CLIENT_HOSTS does not list it"):
        await calling(url, hosts=("*.example.com",))
    assert not echo.requests


async def test_a_private_address_is_not_called(url: str, echo: Echo) -> None:
    async with create_outbound_client(
        timeout_s=5, allows_private=False, setting="PAGERSYNC_HTTP_CLIENT_PRIVATE_ADDRESSES"
    ) as client:
        with pytest.raises(OutboundRefusedError, match=r"127\.0\.0\.1 is loopback"):
            await Calling(client)(url)
    assert not echo.requests


async def test_a_slow_server_ends_in_an_error(calling: Calling, url: str) -> None:
    with pytest.raises(OutboundError, match=r"no whole answer within 0\.2 s"):
        await calling(f"{url}/slow", timeout_s=0.2)


@pytest.mark.parametrize(
    "given",
    [
        {"headers": "no json"},
        {"headers": '["a"]'},
        {"headers": '{"a": {"b": 1}}'},
        {"headers": '{"Host": "internal"}'},
        {"headers": '{"transfer-encoding": "chunked"}'},
        {"headers": '{"a b": "c"}'},
        {"headers": json.dumps({"a": "b\r\nHost: internal"})},
        {"headers": json.dumps({"a": "ä"})},
        {"params": "[" * 100_000},
        {"params": '{"a": null}'},
    ],
)
async def test_headers_and_parameters_that_cannot_be_sent_are_errors(
    calling: Calling, url: str, echo: Echo, given: dict[str, Any]
) -> None:
    with pytest.raises(InvalidError) as error:
        await calling(url, **given)
    assert error.value.pointer == f"/{next(iter(given))}"
    assert not echo.requests


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": ""},
        {"method": "TRACE"},
        {"succeed_on_status": "("},
        {"succeed_on_status": "(?<=2)0"},
        {"succeed_on_status": ""},
        {"retry_count": 5},
        {"retry_count": -1},
        {"retry_wait_time": 0},
        {"retry_wait_time": 16},
        {"post_to_slack_channels": [{"id": "C1", "name": "#ops"}]},
        {"unknown": 1},
        {"task_type": "other"},
    ],
)
def test_parameters_that_cannot_be_right_are_refused(wrong: dict[str, Any]) -> None:
    good = {"task_type": "http_client", "url": "https://example.com", "succeed_on_status": 200}
    HttpClientParams.model_validate(good)
    with pytest.raises(ValidationError):
        HttpClientParams.model_validate({**good, **wrong})


def test_every_parameter_of_rootlys_is_taken_and_templates_too() -> None:
    HttpClientParams.model_validate(
        {
            "task_type": "http_client",
            "url": "https://example.com/{{ incident.id }}",
            "succeed_on_status": "{{ incident.labels.status }}(",
            "method": "DELETE",
            "headers": '{"a": "{{ incident.title }}"}',
            "params": "{}",
            "body": "{{ incident | to_json }}",
            "event_url": "https://example.com",
            "event_message": "Called.",
            "post_to_incident_timeline": True,
            "post_to_slack_channels": [],
            "retry_count": 4,
            "retry_wait_time": 15,
        }
    )


async def test_a_pattern_that_rendering_broke_is_an_error_before_anything_is_sent(
    calling: Calling, url: str, echo: Echo
) -> None:
    params = HttpClientParams.model_construct(
        task_type="http_client", url=url, succeed_on_status="("
    )
    with pytest.raises(InvalidError, match="not a regular expression"):
        await call(calling.client, params, hosts=["127.0.0.1"], timeout_s=5)
    assert not echo.requests


def test_what_a_run_keeps_of_the_parameters_holds_no_secret() -> None:
    params = HttpClientParams(
        task_type="http_client",
        url=f"https://hooks.example.com/in?key={SECRET}#x",
        succeed_on_status="200",
        headers=json.dumps({"Authorization": f"Bearer {SECRET}"}),
        params=json.dumps({"token": SECRET}),
        body=SECRET,
    )
    shown = without_secrets(params)
    assert SECRET not in json.dumps(shown)
    assert shown["url"] == "https://hooks.example.com/in"
    assert json.loads(shown["headers"]) == {"Authorization": "[hidden]"}

"""The webhook over real HTTP: who is let in, what is kept, what is answered."""

import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.http import BasicAuth
from pagersync.inbox.models import Delivery
from pagersync.settings import Settings
from tests.support.account import Account, event
from tests.support.wait import eventually

BODY = json.dumps(event()).encode()


async def deliveries(sessions: Sessions) -> list[Delivery]:
    async with sessions() as session:
        return list((await session.scalars(select(Delivery).order_by(Delivery.id))).all())


async def test_an_event_is_kept_byte_for_byte_and_answered_202(
    account: Account, sessions: Sessions
) -> None:
    body = b'{ "type":"alert.created",  "data":{"id":"alt_1"} }'
    answer = await account.post(body)
    assert answer.status_code == 202
    (kept,) = await deliveries(sessions)
    assert answer.json() == {
        "data": {"id": str(kept.id), "type": "deliveries"},
        "meta": {"created": True},
    }
    assert kept.body == body


async def test_the_same_bytes_again_are_the_same_delivery(
    account: Account, sessions: Sessions
) -> None:
    first = await account.post(BODY)
    second = await account.post(BODY)
    assert second.status_code == 202
    assert second.json()["meta"] == {"created": False}
    assert second.json()["data"] == first.json()["data"]
    (kept,) = await deliveries(sessions)
    assert kept.times_received == 2
    assert kept.last_received_at > kept.received_at


def basic(password: str) -> str:
    return base64.b64encode(f"anyone:{password}".encode()).decode()


@pytest.mark.parametrize("form", ["query", "basic", "bare base64", "bearer", "lower-case basic"])
async def test_every_form_of_the_secret_opens_the_door(account: Account, form: str) -> None:
    secret = account.secret
    options: dict[str, dict[str, Any]] = {
        "query": {"params": {"secret": secret}},
        "basic": {"auth": BasicAuth("anyone", secret)},
        "bare base64": {"headers": {"Authorization": basic(secret)}},
        "bearer": {"headers": {"Authorization": f"Bearer {secret}"}},
        "lower-case basic": {"headers": {"Authorization": f"basic {basic(secret)}"}},
    }
    answer = await account.client.post(account.url, content=BODY, **options[form])
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"params": {"secret": ""}},
        {"params": {"secret": "wrong"}},
        {"params": {"SECRET": "wrong"}},
        {"headers": {"Authorization": "Bearer"}},
        {"headers": {"Authorization": "Basic ???"}},
        {"headers": {"Authorization": basic("wrong")}},
        {"headers": {"Authorization": b"\xff\xfe"}},
    ],
)
async def test_a_wrong_or_missing_secret_is_401_and_leaves_no_row(
    account: Account, sessions: Sessions, options: dict[str, Any]
) -> None:
    answer = await account.client.post(account.url, content=BODY, **options)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]
    assert answer.json()["errors"][0]["code"] == "unauthorized"
    assert await deliveries(sessions) == []


async def test_an_unknown_integration_answers_as_a_wrong_secret_does(account: Account) -> None:
    named = {"Request-Id": "r1"}
    wrong = await account.client.post(
        account.url, params={"secret": "wrong"}, content=BODY, headers=named
    )
    base = account.url.rpartition("/")[0]
    for unknown in ("00000000-0000-0000-0000-000000000000", "no-uuid", "", "%00", "a/b"):
        answer = await account.client.post(
            f"{base}/{unknown}", params={"secret": account.secret}, content=BODY, headers=named
        )
        assert (answer.status_code, answer.json()) == (401, wrong.json())


async def test_only_post_is_allowed(account: Account) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await account.client.request(
            method, account.url, params={"secret": account.secret}
        )
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST"


NOT_READABLE = {
    "not JSON": b"certainly not",
    "empty": b"",
    "no object": b"[1]",
    "a text": b'"alert.created"',
    "null": b"null",
    "no type": b'{"data":{"id":"a"}}',
    "type is a number": b'{"type":1,"data":{"id":"a"}}',
    "type is empty": b'{"type":"","data":{"id":"a"}}',
    "no data": b'{"type":"alert.open"}',
    "data is a list": b'{"type":"alert.open","data":[]}',
    "no id": b'{"type":"alert.open","data":{}}',
    "id is a number": b'{"type":"alert.open","data":{"id":7}}',
    "id is null": b'{"type":"alert.open","data":{"id":null}}',
    "id is empty": b'{"type":"alert.open","data":{"id":""}}',
    "id is blank": b'{"type":"alert.open","data":{"id":"  "}}',
    "id is 10 kB long": json.dumps(event(id_="x" * 10_000)).encode(),
    "id holds NUL": b'{"type":"alert.open","data":{"id":"a\\u0000"}}',
    "id is a surrogate": b'{"type":"alert.open","data":{"id":"\\ud800"}}',
    "invalid UTF-8": b'{"type":"alert.open","data":{"id":"\xff"}}',
    "gzip": gzip.compress(BODY),
    "nested beyond all measure": b'{"type":"alert.open","data":' + b"[" * 100_000,
    "a number of 5,000 digits": b'{"type":"alert.open","data":{"id":"a","n":' + b"1" * 5000 + b"}}",
}


@pytest.mark.parametrize("case", NOT_READABLE)
async def test_the_unreadable_is_422_and_kept_as_invalid(
    account: Account, sessions: Sessions, case: str
) -> None:
    answer = await account.post(NOT_READABLE[case])
    assert answer.status_code == 422, answer.text
    (kept,) = await deliveries(sessions)
    assert (kept.state, kept.body) == ("invalid", NOT_READABLE[case])
    assert kept.last_error
    assert kept.last_error in answer.json()["errors"][0]["detail"]
    assert str(kept.id) in answer.json()["errors"][0]["detail"]


ODD_BUT_READABLE = {
    "NUL in a title": b'{"type":"alert.open","data":{"id":"a","title":"\\u0000"}}',
    "lone surrogate": b'{"type":"alert.open","data":{"id":"a","title":"x\\ud800y"}}',
    "surrogate in a key": b'{"type":"alert.open","data":{"id":"a","\\udfff":1}}',
    "1e999": b'{"type":"alert.open","data":{"id":"a","n":1e999}}',
    "duplicate keys": b'{"type":"x","type":"alert.open","data":{"id":"b","id":"a"}}',
    "deep nesting": b'{"type":"alert.open","data":{"id":"a","n":' + b"[" * 500 + b"]" * 500 + b"}}",
    "added top-level keys": b'{"type":"alert.open","data":{"id":"a"},"team":"x","sla":[1]}',
    "every field of the wrong kind": json.dumps(
        event(
            "alert.open",
            "a",
            title=1,
            description=[],
            status={},
            urgency=False,
            updatedAt=[],
            createdAt="yesterday",
            acknowledged="soon",
            resolved=1e300,
            meta=3,
            tags="x",
        )
    ).encode(),
    "a title of 500 kB": json.dumps(event("alert.open", "a", title="x" * 500_000)).encode(),
    "a status of 500 kB": json.dumps(event("alert.open", "a", status="x" * 500_000)).encode(),
}


@pytest.mark.parametrize("case", ODD_BUT_READABLE)
async def test_the_odd_is_kept_byte_for_byte_and_applied(
    account: Account, sessions: Sessions, case: str
) -> None:
    answer = await account.post(ODD_BUT_READABLE[case])
    assert answer.status_code == 202, answer.text

    async def ends() -> list[tuple[str, str | None]]:
        return [(kept.state, kept.last_error) for kept in await deliveries(sessions)]

    await eventually(ends, lambda seen: seen == [("done", None)])
    (kept,) = await deliveries(sessions)
    assert kept.body == ODD_BUT_READABLE[case]


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "", "a/b; charset=x"])
async def test_the_content_type_does_not_matter(account: Account, content_type: str) -> None:
    answer = await account.post(BODY, headers={"Content-Type": content_type})
    assert answer.status_code == 202


@pytest.mark.parametrize(
    "event_type",
    ["comment.created", "comment.destroyed", "event_reminder.going_on_call", "alert.exploded"],
)
async def test_other_events_are_kept_and_ignored(
    account: Account, sessions: Sessions, event_type: str
) -> None:
    answer = await account.post({"type": event_type, "data": {"body": "no alert"}})
    assert answer.status_code == 202
    (kept,) = await deliveries(sessions)
    assert (kept.state, kept.event_type) == ("ignored", event_type)


async def in_chunks(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413_and_leaves_no_row(
    account: Account, sessions: Sessions, settings: Settings, *, chunked: bool
) -> None:
    body = b"x" * (settings.body_bytes_max + 1)
    content: Any = in_chunks(body, 65536) if chunked else body
    answer = await account.client.post(
        account.url, params={"secret": account.secret}, content=content
    )
    assert answer.status_code == 413
    assert answer.json()["errors"][0]["code"] == "body_too_large"
    assert await deliveries(sessions) == []


async def test_a_body_of_exactly_the_limit_is_let_in(account: Account, settings: Settings) -> None:
    empty = event(title="")
    empty["data"]["title"] = "x" * (settings.body_bytes_max - len(json.dumps(empty)))
    assert (await account.post(empty)).status_code == 202


async def test_chunked_bodies_are_put_together(account: Account, sessions: Sessions) -> None:
    answer = await account.client.post(
        account.url, params={"secret": account.secret}, content=in_chunks(BODY, 3)
    )
    assert answer.status_code == 202
    (kept,) = await deliveries(sessions)
    assert kept.body == BODY

"""The client's calls: what is sent and what comes back."""

import json
from datetime import UTC, datetime

import httpx
import pytest
import respx

from pagersync.errors import Contract, Rejected
from pagersync.pagertree.resources import (
    AlertChanges,
    Comment,
    NewAlert,
    OnCall,
    RemoteRouter,
    RemoteTeam,
    RemoteUser,
)
from tests.pagertree.calls import ALERT, BASE, CHANGING, KEY, NEW, REMOTE, Account, mock, page

changing = pytest.mark.parametrize("name", CHANGING)


@respx.mock
async def test_an_alert_is_created_with_what_it_says(account: Account) -> None:
    route = mock("POST /alerts").respond(201, json=ALERT)
    assert await account.create_alert(NEW) == REMOTE
    request = route.calls.last.request
    assert json.loads(request.content) == NEW.to_json()
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["User-Agent"].startswith("pagersync/")


@respx.mock
async def test_a_title_that_no_encoding_knows_is_still_sent(account: Account) -> None:
    mock("POST /alerts").respond(201, json=ALERT)
    assert await account.create_alert(NewAlert(title="\ud800\x00")) == REMOTE


@respx.mock
async def test_an_alert_is_changed_with_what_is_set(account: Account) -> None:
    route = mock("PUT /alerts/A1").respond(json=ALERT)
    assert await account.update_alert("A1", AlertChanges(title="Disk nearly full")) == REMOTE
    assert json.loads(route.calls.last.request.content) == {"title": "Disk nearly full"}


@respx.mock
async def test_a_comment_is_added_whatever_is_answered(account: Account) -> None:
    route = mock("POST /alerts/A1/comments").respond(201, json={"id": "c", "body": "On it"})
    assert await account.add_comment("A1", "On it") is None  # type: ignore[func-returns-value]
    assert json.loads(route.calls.last.request.content) == {"body": "On it"}


@pytest.mark.parametrize("action", ["acknowledge", "reject", "resolve"])
@respx.mock
async def test_an_action_has_no_body_and_answers_with_the_alert(
    account: Account, action: str
) -> None:
    name = f"POST /alerts/A1/{action}"
    route = mock(name).respond(json=ALERT)
    assert await CHANGING[name](account) == REMOTE
    assert route.calls.last.request.content == b""


@pytest.mark.parametrize("body", ["", " \n", "null", "{}"])
@changing
@respx.mock
async def test_an_empty_answer_says_that_it_was_done_unless_an_id_is_needed(
    account: Account, name: str, body: str
) -> None:
    mock(name).respond(200, text=body)
    if name == "POST /alerts":
        with pytest.raises(Contract) as raised:
            await CHANGING[name](account)
        assert raised.value.http_status == 200
    else:
        assert await CHANGING[name](account) is None


@respx.mock
async def test_everything_that_is_listed_is_read(account: Account) -> None:
    person = {"id": "u", "user": {"name": "Ada", "emails": []}}
    mock("GET /account_users").respond(json={"data": [person], "has_more": False})
    mock("GET /routers").respond(json={"data": [{"id": "r", "name": "R"}], "has_more": False})
    mock("GET /teams").respond(json={"data": [{"id": "t", "name": "T"}], "has_more": False})
    mock("GET /alerts/A1/comments").respond(json={"data": [{"body": "b"}], "has_more": False})
    mock("GET /alerts/A1").respond(json=ALERT)
    attendees = [{"attendee_id": "u"}]
    mock("GET /teams/T1/current_oncall").respond(json=[{"layer": 1, "attendees": attendees}])
    assert await account.list_account_users() == [RemoteUser("u", name="Ada")]
    assert await account.list_routers() == [RemoteRouter("r", name="R")]
    assert await account.list_teams() == [RemoteTeam("t", name="T")]
    assert await account.list_comments("A1") == [Comment("b")]
    assert await account.get_alert("A1") == REMOTE
    assert await account.get_current_oncall("T1") == [OnCall(1, "u")]


@respx.mock
async def test_alerts_are_searched_by_what_is_given(account: Account) -> None:
    route = mock("GET /alerts").mock(return_value=page())
    moment = datetime(2026, 3, 1, 3, 0, 0, 500_000, tzinfo=UTC)
    await account.list_alerts(thirdparty_id="a&b=c", status="open", created_after=moment, q="d e")
    assert dict(route.calls.last.request.url.params) == {
        "thirdparty_id": "a&b=c",
        "status": "open",
        "q": "d e",
        "created_at": "2026-03-01T03:00:00.500Z",
        "ops": "created_at:gte",
        "sort": "created_at",
        "direction": "desc",
        "limit": "100",
        "offset": "0",
    }
    await account.list_alerts(newest_first=False, rows_max=3)
    assert dict(route.calls.last.request.url.params) == {
        "sort": "created_at",
        "direction": "asc",
        "limit": "3",
        "offset": "0",
    }


async def listed(account: Account, pages: list[httpx.Response], rows_max: int = 100) -> list[str]:
    mock("GET /alerts").mock(side_effect=pages)
    return [alert.id for alert in await account.list_alerts(rows_max=rows_max)]


def offsets(account: Account) -> list[str]:
    return [httpx.URL(done.path).params["offset"] for done in account.exchanges]


@respx.mock
async def test_pages_are_asked_for_to_the_end(account: Account) -> None:
    pages = [page("a", "b", has_more=True), page("c", has_more=True), page("d")]
    assert await listed(account, pages) == ["a", "b", "c", "d"]
    assert offsets(account) == ["0", "2", "3"]


@respx.mock
async def test_an_empty_page_ends_a_list_whatever_it_says(account: Account) -> None:
    assert await listed(account, [page("a", has_more=True), page(has_more=True)]) == ["a"]


@respx.mock
async def test_a_page_that_repeats_ends_a_list_whatever_it_says(account: Account) -> None:
    again = [page("a", "b", has_more=True), page("b", "a", has_more=True)]
    assert await listed(account, again) == ["a", "b"]


@respx.mock
async def test_what_moved_to_the_next_page_is_listed_once(account: Account) -> None:
    pages = [page("a", "b", has_more=True), page("b", "c", has_more=False)]
    assert await listed(account, pages) == ["a", "b", "c"]


@respx.mock
async def test_a_list_ends_where_enough_was_found(account: Account) -> None:
    pages = [page("a", "b", has_more=True), page("c", "d", has_more=True)]
    assert await listed(account, pages, rows_max=3) == ["a", "b", "c"]
    assert await listed(account, [], rows_max=0) == []


@pytest.mark.parametrize(
    ("id_", "path"),
    [
        ("../teams", "/alerts/..%2Fteams/resolve"),
        ("a/b", "/alerts/a%2Fb/resolve"),
        ("a?limit=1#x", "/alerts/a%3Flimit%3D1%23x/resolve"),
        ("a%2Fb", "/alerts/a%252Fb/resolve"),
        ("a b\n", "/alerts/a%20b%0A/resolve"),
        ("\ud800", "/alerts/%3F/resolve"),
    ],
)
@respx.mock
async def test_an_id_stays_one_part_of_the_path(account: Account, id_: str, path: str) -> None:
    route = respx.post(url__startswith=BASE).respond(204)
    await account.resolve_alert(id_)
    assert route.calls.last.request.url.raw_path == f"/api/v4{path}".encode()
    assert account.exchanges[0].path == path


@pytest.mark.parametrize("id_", ["", ".", ".."])
@respx.mock
async def test_an_id_that_would_change_the_path_is_not_sent(account: Account, id_: str) -> None:
    with pytest.raises(Rejected):
        await account.resolve_alert(id_)
    assert account.exchanges == []

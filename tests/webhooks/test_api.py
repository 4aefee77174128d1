"""`/v1/webhooks/endpoints` as an integrator uses it."""

from typing import Any

import pytest

from pagersync.access.models import Scope
from pagersync.http import Response
from tests.webhooks.conftest import ENDPOINTS, Hooks, body, flat

AUTH = {"name": "Authorization", "value": "Bearer s3cr3t-of-a-receiver"}


def pointers(response: Response) -> set[str]:
    assert response.status_code == 422, response.text
    return {error["source"]["pointer"] for error in response.json()["errors"]}


async def test_an_endpoint_has_rootlys_attributes_and_shows_its_secret_once(quiet: Hooks) -> None:
    response = await quiet.post(name="Status board", event_types=["incident.*", "page.dropped"])
    assert response.status_code == 201
    data = response.json()["data"]
    assert data["type"] == "webhooks_endpoints"
    attributes = data["attributes"]
    assert attributes["secret"].startswith("whsec_")
    assert attributes | {"secret": "", "created_at": "", "updated_at": ""} == {
        "name": "Status board",
        "slug": "status-board",
        "url": f"{quiet.url}/hook",
        "event_types": ["incident.*", "page.dropped"],
        "secret": "",
        "enabled": True,
        "disabled_reason": None,
        "failing_since": None,
        "custom_headers": [],
        "version": 1,
        "created_at": "",
        "updated_at": "",
    }
    for reference in (data["id"], "status-board"):
        shown = flat(await quiet.api.get(f"{ENDPOINTS}/{reference}"))
        assert shown == flat(response) | {"secret": "[hidden]"}
    listed = (await quiet.api.get(ENDPOINTS)).json()["data"]
    assert [row["attributes"]["secret"] for row in listed] == ["[hidden]"]


async def test_nulls_are_as_good_as_nothing_in_a_new_endpoint(quiet: Hooks) -> None:
    made = await quiet.add(secret=None, event_types=None, enabled=None, custom_headers=None)
    assert (made["enabled"], made["event_types"], made["custom_headers"]) == (True, [], [])


async def test_endpoints_are_listed_by_name_and_slug_and_page(quiet: Hooks) -> None:
    for name in ("One", "one", "Zwei", "💡"):
        await quiet.add(name=name)

    async def slugs(query: str) -> list[str]:
        rows = (await quiet.api.get(f"{ENDPOINTS}?{query}")).json()["data"]
        return [row["attributes"]["slug"] for row in rows]

    assert await slugs("") == ["endpoint", "zwei", "one-2", "one"]
    assert await slugs("filter[name]=one") == ["one-2"]
    assert await slugs("filter[slug]=one,zwei") == ["zwei", "one"]
    assert await slugs("page[size]=1&page[number]=2") == ["zwei"]
    assert (await quiet.api.get(f"{ENDPOINTS}?filter[url]=x")).status_code == 422


@pytest.mark.parametrize(
    ("attributes", "where"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"url": "ftp://example.com"}, "url"),
        ({"url": "https://user:password@example.com"}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"secret": "short"}, "secret"),
        ({"secret": "whsec_not!base64!at!all"}, "secret"),
        ({"event_types": ["incident.created", "pulse.created"]}, "event_types/1"),
        ({"event_types": ["incidents.*"]}, "event_types/0"),
        ({"custom_headers": [{"name": "X-A", "value": "1"}] * 11}, "custom_headers"),
        ({"custom_headers": [{"name": "Content-Type", "value": "x"}]}, "custom_headers/0"),
        ({"custom_headers": [{"name": "HOST", "value": "x"}]}, "custom_headers/0"),
        ({"custom_headers": [{"name": "X-Rootly-Signature", "value": "x"}]}, "custom_headers/0"),
        ({"custom_headers": [{"name": "X-Pagersync-Signature", "value": ""}]}, "custom_headers/0"),
        ({"custom_headers": [{"name": "Webhook-Id", "value": "x"}]}, "custom_headers/0"),
        ({"custom_headers": [{"name": "X-A", "value": "a\r\nb: c"}]}, "custom_headers/0"),
        ({"custom_headers": [{"name": "X A", "value": "x"}]}, "custom_headers/0"),
        ({"custom_headers": [AUTH, AUTH | {"name": "authorization"}]}, "custom_headers/1"),
        ({"custom_headers": [{"name": "X-A", "value": "x" * 8193}]}, "custom_headers/0/value"),
        ({"custom_headers": [{"name": "X" * 257, "value": "x"}]}, "custom_headers/0/name"),
        ({"events": []}, "events"),
    ],
)
async def test_what_cannot_be_is_refused_and_says_where(
    quiet: Hooks, attributes: dict[str, Any], where: str
) -> None:
    assert pointers(await quiet.post(**attributes)) == {f"/data/attributes/{where}"}
    assert (await quiet.api.get(ENDPOINTS)).json()["data"] == []


async def test_an_event_type_that_is_never_sent_is_refused_saying_so(quiet: Hooks) -> None:
    (error,) = (await quiet.post(event_types=["shift.started"])).json()["errors"]
    assert "pagersync never sends it" in error["detail"]


async def test_a_name_is_taken_until_its_endpoint_is_removed(quiet: Hooks) -> None:
    first, other = await quiet.add(name="one"), await quiet.add(name="other")
    assert pointers(await quiet.post(name="one")) == {"/data/attributes/name"}
    renaming = await quiet.api.put(f"{ENDPOINTS}/{other['id']}", json=body(name="one"))
    assert pointers(renaming) == {"/data/attributes/name"}
    removed = await quiet.api.delete(f"{ENDPOINTS}/{first['id']}")
    assert removed.status_code == 200
    assert flat(removed)["name"] == "one"
    for path in ("", "/deliveries"):
        gone = await quiet.api.get(f"{ENDPOINTS}/{first['id']}{path}")
        assert gone.status_code == 404
    assert (await quiet.add(name="one"))["slug"] == "one"


async def test_an_endpoint_is_changed_but_for_its_url_and_secret(quiet: Hooks) -> None:
    made = await quiet.add(custom_headers=[AUTH])
    hidden = AUTH | {"value": "[hidden]"}
    assert made["custom_headers"] == [hidden]
    changed = await quiet.change(made, name="new", event_types=["page.*"], enabled=False)
    assert changed["custom_headers"] == [hidden]
    assert (changed["name"], changed["event_types"], changed["enabled"]) == (
        "new",
        ["page.*"],
        False,
    )
    assert (await quiet.change(made, custom_headers=[]))["custom_headers"] == []
    for attributes in ({"url": "https://example.com"}, {"secret": "s" * 32}, {"name": None}):
        refused = await quiet.api.put(f"{ENDPOINTS}/{made['id']}", json=body(**attributes))
        assert pointers(refused) == {f"/data/attributes/{next(iter(attributes))}"}


async def test_a_change_of_another_version_is_refused(quiet: Hooks) -> None:
    made = await quiet.add()
    url = f"{ENDPOINTS}/{made['id']}"
    first = (await quiet.api.get(url)).headers["ETag"]
    assert first == '"1"'
    if_match = {"If-Match": first}
    changed = await quiet.api.put(url, json=body(name="a"), headers=if_match)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (await quiet.api.put(url, json=body(name="b"), headers=if_match)).status_code == 412
    assert (await quiet.api.delete(url, headers=if_match)).status_code == 412
    assert (await quiet.show(made))["name"] == "a"
    rotate, second = f"{url}/rotate_secret", {"If-Match": changed.headers["ETag"]}
    assert (await quiet.api.post(rotate, headers=if_match)).status_code == 412
    assert (await quiet.api.post(rotate, headers=second)).headers["ETag"] == '"3"'
    assert (await quiet.api.post(rotate, headers=second)).status_code == 412


async def test_what_logs_in_at_a_receiver_is_shown_to_nobody(quiet: Hooks) -> None:
    made = await quiet.add("/hook?token=in-the-query", name="Board", custom_headers=[AUTH])
    for path in (ENDPOINTS, f"{ENDPOINTS}/{made['id']}"):
        for scope in Scope:
            headers = await quiet.client_with(scope)
            answer = await quiet.api.get(path, headers=headers)
            assert answer.status_code == 200
            assert AUTH["name"] in answer.text
            assert AUTH["value"] not in answer.text
            assert "in-the-query" not in answer.text
    assert made["secret"] not in (await quiet.api.get(ENDPOINTS)).text


async def test_a_private_address_is_refused_however_it_is_written_where_none_may_be_called(
    settings: Any, api: Any
) -> None:
    assert not settings.webhook_private_addresses
    for host in (
        *("127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "127.0.0.1."),
        *("2130706433", "0x7f.1", "127.1", "0177.1", "0", "0xa9fea9fe", "[fe80::1%25eth0]"),
        *("localhost", "LOCALHOST.", "board.localhost"),
    ):
        given = body(name=host, url=f"https://{host}:8443/hook")
        answer = await api.post(ENDPOINTS, json=given)
        assert pointers(answer) == {"/data/attributes/url"}, host
        assert "PAGERSYNC_WEBHOOK_PRIVATE_ADDRESSES=true" in answer.text
    for host in ("xn--", "...", "a..b", "exa mple.com", "localhost%2e", "%31%32%37.0.0.1"):
        answer = await api.post(ENDPOINTS, json=body(name=host, url=f"http://{host}/hook"))
        assert pointers(answer) == {"/data/attributes/url"}, host
    for host in ("8.8.8.8", "134744072", "notlocalhost", "localhost.invalid", "123.invalid"):
        answer = await api.post(ENDPOINTS, json=body(name=host, url=f"https://{host}/hook"))
        assert answer.status_code == 201, answer.text

"""Requests whose texts do not fit are served: what was cut is told in the answer and kept."""

from typing import Any

import pytest

from pagersync.http import AsyncClient, Response
from tests.paging.conftest import Paging

LONG = "x" * 700
TAGS = [*(f"tag {number}" for number in range(25)), "t" * 150, "a\x07b"]


async def post(api: AsyncClient, path: str, type_: str, **attributes: Any) -> dict[str, Any]:
    return served(await api.post(path, json={"data": {"type": type_, "attributes": attributes}}))


async def put(api: AsyncClient, path: str, type_: str, **attributes: Any) -> dict[str, Any]:
    return served(await api.put(path, json={"data": {"type": type_, "attributes": attributes}}))


def served(response: Response) -> dict[str, Any]:
    assert response.status_code in (200, 201, 202), response.text
    return dict(response.json())


async def history(api: AsyncClient, path: str, name: str) -> str:
    listed = (await api.get(f"{path}/events")).json()["data"]
    return "\n".join(each["attributes"][name] for each in listed)


async def test_a_page_with_texts_and_tags_that_do_not_fit_goes_out(
    api: AsyncClient, directory: Paging
) -> None:
    team = {"name": directory.simulator.directory.teams[0].name}
    texts = {"title": f"a\x00{LONG}", "description": "d" * 21_000, "tags": TAGS}
    answer: dict[str, Any] = {}
    for dry in (True, False):
        answer = await post(api, "/v1/pages", "pages", teams=[team], dry_run=dry, **texts)
        notes = answer["data"]["attributes"]["notes"]
        assert answer["meta"] == {"notes": notes}
        assert notes[:3] == [
            "title: characters that cannot be stored were replaced",
            "title was cut from 702 to 500 characters",
            "description was cut from 21000 to 20000 characters",
        ]
        assert "7 of 27 tags were left out: the first stay" in notes
    assert answer["data"]["attributes"]["title"] == "a\ufffd" + "x" * 497 + "…"
    assert len(answer["data"]["attributes"]["tags"]) == 20


async def test_a_page_that_fits_has_no_meta(api: AsyncClient, directory: Paging) -> None:
    team = {"name": directory.simulator.directory.teams[0].name}
    answer = await post(api, "/v1/pages", "pages", title="Down", teams=[team])
    assert "meta" not in answer
    assert answer["data"]["attributes"]["notes"] == []


async def test_an_alert_with_values_that_do_not_fit_is_made_and_pages(
    api: AsyncClient, directory: Paging
) -> None:
    team = {"name": directory.simulator.directory.teams[0].name}
    answer = await post(
        api,
        "/v1/alerts",
        "alerts",
        summary=LONG,
        description="d" * 21_000,
        source="s" * 300,
        external_id="e" * 300,
        external_url="https://x.test/" + "u" * 2_000,
        deduplication_key="k" * 300,
        labels=[{"key": "a:b,c", "value": "v" * 300}, {"value": "x"}],
        teams=[team],
    )
    notes = answer["meta"]["notes"]
    cut = ("summary", "description", "source", "external_id", "external_url", "deduplication_key")
    assert all(any(note.startswith(name) for note in notes) for name in cut)
    attributes = answer["data"]["attributes"]
    assert attributes["summary"] == "x" * 499 + "…"
    assert attributes["external_url"] is None
    assert len(attributes["deduplication_key"]) == 255
    assert attributes["labels"] == [{"key": "a:b,c", "value": "v" * 254 + "…"}]
    alert = answer["data"]["id"]
    assert "summary was cut" in await history(api, f"/v1/alerts/{alert}", "details")
    (page,) = (await api.get(f"/v1/pages?filter[alert_id]={alert}")).json()["data"]
    assert page["attributes"]["notes"] == notes
    changed = served(
        await api.patch(
            f"/v1/alerts/{alert}",
            json={"data": {"type": "alerts", "attributes": {"summary": f"new {LONG}"}}},
        )
    )
    assert changed["meta"]["notes"] == ["summary was cut from 704 to 500 characters"]
    assert "from 704" in await history(api, f"/v1/alerts/{alert}", "details")


@pytest.mark.usefixtures("directory")
async def test_long_keys_that_differ_at_their_end_are_two_alerts(api: AsyncClient) -> None:
    ids = [
        (await post(api, "/v1/alerts", "alerts", summary="s", deduplication_key=key))["data"]["id"]
        for key in ("k" * 300 + "1", "k" * 300 + "2", "k" * 300 + "1", "", "")
    ]
    assert ids[0] == ids[2]
    assert len(set(ids)) == 4


async def test_an_incident_with_texts_that_do_not_fit_is_declared_and_changed(
    api: AsyncClient,
) -> None:
    labels = {"a:b,c": 3, "flag": True, "nothing": None, "long": "v" * 300}
    answer = await post(
        api, "/v1/incidents", "incidents", title=LONG, summary="s\x00" * 11_000, labels=labels
    )
    assert answer["meta"]["notes"] == [
        "title was cut from 700 to 500 characters",
        "summary: characters that cannot be stored were replaced",
        "summary was cut from 22000 to 20000 characters",
        "the value of the label 'long' was cut from 300 to 255 characters",
    ]
    attributes = answer["data"]["attributes"]
    assert attributes["labels"] == {"a:b,c": "3", "flag": "true", "long": "v" * 254 + "…"}
    assert "title was cut" in await history(api, "/v1/incidents/1", "event")
    for path, values in (
        ("/v1/incidents/1", {"title": f"b{LONG}"}),
        ("/v1/incidents/1/mitigate", {"mitigation_message": "m" * 21_000}),
        ("/v1/incidents/1/resolve", {"resolution_message": "r" * 21_000}),
    ):
        changed = await put(api, path, "incidents", **values)
        (name,) = values
        (note,) = changed["meta"]["notes"]
        assert note.startswith(f"{name} was cut")
        assert note in await history(api, "/v1/incidents/1", "event")
    entry = await post(api, "/v1/incidents/1/events", "incident_events", event="e" * 21_000)
    assert entry["meta"]["notes"] == ["event was cut from 21000 to 20000 characters"]
    assert len(entry["data"]["attributes"]["event"]) == 20_000


@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000b"])
async def test_what_cannot_be_stored_is_replaced_in_whichever_text(
    api: AsyncClient, directory: Paging, text: str
) -> None:
    del directory
    headers = {"Content-Type": "application/json"}
    for type_, name in (("incidents", "title"), ("alerts", "summary")):
        body = (
            f'{{"data": {{"type": "{type_}", "attributes": {{"{name}": "x{text}", '
            f'"labels": {{"k{text}": "v{text}"}}}}}}}}'
        )
        answer = served(await api.post(f"/v1/{type_}", content=body, headers=headers))
        assert "\ufffd" in answer["data"]["attributes"][name]
        assert len(answer["meta"]["notes"]) == 3


@pytest.mark.usefixtures("directory")
async def test_labels_with_commas_and_colons_are_found_by_either_list(api: AsyncClient) -> None:
    labels = {"a:b,c": "d,e", "url": "https://x.test:80/", "n": 3, "yes": True}
    await post(api, "/v1/incidents", "incidents", title="one", labels=labels)
    listed = [{"key": key, "value": value} for key, value in labels.items()]
    made = await post(api, "/v1/alerts", "alerts", summary="one", labels=listed)
    shown = made["data"]["attributes"]["labels"]
    assert {"key": "n", "value": 3} in shown
    assert {"key": "yes", "value": True} in shown
    asked = {
        r"filter[labels]=a\:b\,c:d\,e": 1,
        r"filter[labels]=x:y,a\:b\,c:d\,e": 1,
        r"filter[labels][eq]=a\:b,c:d,e": 1,
        "filter[labels]=url:https://x.test:80/": 1,
        "filter[labels]=n:3": 1,
        "filter[labels]=yes:true": 1,
        r"filter[labels]=a\:b\,c:d": 0,
        r"filter[labels][not_in]=a\:b\,c:d\,e,x:y": 0,
    }
    for path in ("/v1/incidents", "/v1/alerts"):
        found = {query: len(served(await api.get(f"{path}?{query}"))["data"]) for query in asked}
        assert found == asked
    assert (await api.get("/v1/incidents?filter[labels]=no")).status_code == 422

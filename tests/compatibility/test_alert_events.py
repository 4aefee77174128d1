"""What happened to alerts, by Rootly's own client."""

import pytest
from rootly_sdk.api.alert_events import (
    create_alert_event,
    delete_alert_event,
    get_alert_event,
    list_alert_events,
    list_alert_events_feed,
    update_alert_event,
)
from rootly_sdk.models import NewAlertEvent, UpdateAlertEvent

from pagersync.http import AsyncClient
from tests.compatibility.driving import Driver, body_of
from tests.compatibility.test_alerts import made


@pytest.mark.usefixtures("account")
async def test_a_note_from_its_making_to_its_end(rootly: Driver, api: AsyncClient) -> None:
    alert = await made(rootly)
    note = body_of(NewAlertEvent, "alert_events", {"kind": "note", "details": "Looking"})
    added = (await rootly(create_alert_event, alert.id, body=note)).data
    assert (added.attributes.kind, added.attributes.details) == ("note", "Looking")
    change = body_of(UpdateAlertEvent, "alert_events", {"details": "Looked"})
    changed = await rootly(update_alert_event, added.id, body=change)
    assert changed.data.attributes.details == "Looked"
    assert (await rootly(get_alert_event, added.id)).data.attributes.details == "Looked"
    shown = await api.get(f"/v1/alert_events/{added.id}")
    stale = {"If-Match": '"1"'}
    url = f"/v1/alert_events/{added.id}"
    assert (await api.delete(url, headers=stale)).status_code == 412
    fresh = {"If-Match": shown.headers["ETag"]}
    body = {"data": {"type": "alert_events", "attributes": {"details": "Seen"}}}
    assert (await api.patch(url, json=body, headers=fresh)).status_code == 200
    listed = await rootly(
        list_alert_events, alert.id, pagenumber=1, pagesize=5, filterkind="note", include=""
    )
    assert [row.attributes.details for row in listed.data] == ["Seen"]
    removed = await delete_alert_event.asyncio_detailed(added.id, client=rootly.client)
    assert removed.status_code == 200  # the client reads no more of this answer
    assert await rootly.refused(404, get_alert_event, added.id)


@pytest.mark.usefixtures("account")
async def test_what_the_system_wrote_stays(rootly: Driver, api: AsyncClient) -> None:
    alert = await made(rootly)
    (event,) = (await rootly(list_alert_events, alert.id, filteraction="created")).data
    assert (await api.delete(f"/v1/alert_events/{event.id}")).status_code == 409


@pytest.mark.usefixtures("account")
async def test_the_feed_can_be_followed_in_both_directions(rootly: Driver) -> None:
    alerts = [await made(rootly) for _ in range(3)]

    async def read(sort: str) -> list[str]:
        seen, page = [], await rootly(list_alert_events_feed, sort=sort, pagesize=2)
        while True:
            seen += [row.attributes.alert_id for row in page.data]
            if page.meta.next_cursor is None:
                return seen
            cursor = page.meta.next_cursor
            page = await rootly(list_alert_events_feed, sort=sort, pagesize=2, pageafter=cursor)

    in_order = [alert.id for alert in alerts]
    assert await read("created_at") == in_order
    assert await read("-created_at") == in_order[::-1]
    chosen = await rootly(
        list_alert_events_feed,
        filteralert_id=in_order[0],
        filterkind="informational",
        filteraction="created",
        filtercreated_atgt="2020-01-01T00:00:00Z",
        filtercreated_atgte="2020-01-01T00:00:00Z",
        filtercreated_atlt="2120-01-01T00:00:00Z",
        filtercreated_atlte="2120-01-01T00:00:00Z",
    )
    assert [row.attributes.alert_id for row in chosen.data] == in_order[:1]

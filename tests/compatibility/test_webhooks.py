"""Outgoing webhooks, by Rootly's own client."""

from typing import Any

from rootly_sdk.api.webhooks_deliveries import (
    deliver_webhooks_delivery,
    get_webhooks_delivery,
    list_webhooks_deliveries,
)
from rootly_sdk.api.webhooks_endpoints import (
    create_webhooks_endpoint,
    delete_webhooks_endpoint,
    get_webhooks_endpoint,
    list_webhooks_endpoints,
    update_webhooks_endpoint,
)
from rootly_sdk.models import NewWebhooksEndpoint, UpdateWebhooksEndpoint

from pagersync.http import AsyncClient
from tests.compatibility.driving import Driver, body_of
from tests.support.wait import eventually

TYPES = ["incident.created", "incident.resolved", "incident_event.created", "alert.created"]


async def added(rootly: Driver, **attributes: Any) -> Any:
    new = {"name": "Board", "url": "https://board.invalid/hook", **attributes}
    return (
        await rootly(
            create_webhooks_endpoint, body=body_of(NewWebhooksEndpoint, "webhooks_endpoints", new)
        )
    ).data


async def test_an_endpoint_from_its_making_to_its_end(rootly: Driver) -> None:
    endpoint = await added(
        rootly,
        secret="ZsPwEgiDWoXhYNT6",
        event_types=TYPES,
        enabled=True,
        custom_headers=[{"name": "X-Team", "value": "sre"}],
    )
    assert endpoint.attributes.secret == "ZsPwEgiDWoXhYNT6"
    assert endpoint.attributes.custom_headers[0].value == "sre"
    change = {"name": "Wall", "enabled": False, "event_types": TYPES[:1], "custom_headers": []}
    body = body_of(UpdateWebhooksEndpoint, "webhooks_endpoints", change)
    changed = (await rootly(update_webhooks_endpoint, endpoint.id, body=body)).data.attributes
    assert (changed.name, changed.enabled, changed.event_types) == ("Wall", False, TYPES[:1])
    assert (await rootly(get_webhooks_endpoint, endpoint.id)).data.attributes.slug == "board"
    listed = await rootly(
        list_webhooks_endpoints,
        include="",
        pagenumber=1,
        pagesize=5,
        filtername="Wall",
        filterslug="board",
    )
    assert [row.id for row in listed.data] == [endpoint.id]
    assert (await rootly(delete_webhooks_endpoint, endpoint.id)).data.id == endpoint.id
    assert await rootly.refused(404, get_webhooks_endpoint, endpoint.id)


async def test_deliveries_are_seen_and_replayed(rootly: Driver, api: AsyncClient) -> None:
    endpoint = await added(rootly, event_types=["incident.created"])
    incident = {"data": {"type": "incidents", "attributes": {"title": "Disk full"}}}
    await api.post("/v1/incidents", json=incident)

    async def failed_once() -> Any:
        (row,) = (await rootly(list_webhooks_deliveries, endpoint.id)).data
        return row.attributes.payload and row.attributes["state"] == "queued" and row

    delivery = await eventually(failed_once)
    known = delivery.attributes
    assert (known.status, known.response_status, known.delivered_at) == ("pending", None, None)
    chosen = await rootly(
        list_webhooks_deliveries,
        endpoint.id,
        include="",
        pagenumber=1,
        pagesize=1,
        filterstatus="pending,failed",
    )
    assert [row.id for row in chosen.data] == [delivery.id]
    none = await rootly(list_webhooks_deliveries, endpoint.id, filterstatus="success")
    assert none.data == []
    again = await deliver_webhooks_delivery.asyncio_detailed(delivery.id, client=rootly.client)
    assert again.status_code == 200
    shown = (await rootly(get_webhooks_delivery, delivery.id)).data.attributes
    assert shown.payload == known.payload


async def test_what_cannot_be_included_is_refused(api: AsyncClient) -> None:
    refused = await api.get("/v1/webhooks/endpoints?include=nonsense")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["source"] == {"parameter": "include"}

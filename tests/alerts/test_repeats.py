"""Requests with the deduplication key of an alert that there is already."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from pagersync.alerts.repeats import Known, decide
from pagersync.http import AsyncClient
from pagersync.paging.models import Operation, Page
from tests.paging.conftest import (
    Paging,
    directory,
    idle,
    pagertree,
    paging,
    paging_settings,
    service_api,
    service_url,
)
from tests.paging.test_alert_actions import alert as said
from tests.paging.test_alert_actions import created, reaches
from tests.support.wait import eventually

__all__ = [
    "directory",
    "idle",
    "pagertree",
    "paging",
    "paging_settings",
    "service_api",
    "service_url",
]

KEY: dict[str, Any] = {"deduplication_key": "disk-1", "teams": [{"name": "Platform"}]}
URGENCIES = ("auto", "low", "medium", "high", "critical")
LEVELS = (None, "low", "medium", "high", "critical")


async def again(api: AsyncClient, **attributes: Any) -> tuple[str, list[str]]:
    """Ask for the alert once more; return its id and the notes."""
    answer = await api.post("/v1/alerts", json=said(**KEY | attributes))
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]["id"], answer.json().get("meta", {}).get("notes", [])


async def pages_of(api: AsyncClient, alert_id: str) -> list[dict[str, Any]]:
    found = (await api.get(f"/v1/pages?filter[alert_id]={alert_id}")).json()["data"]
    return [row["attributes"] for row in found]


def known(**values: Any) -> Known:
    defaults = {"urgency": None, "severity": None, "is_paged": True}
    return Known("XZG5BR", **{"status": "triggered", **defaults, **values})


STANDING = st.builds(
    known,
    status=st.sampled_from(["open", "triggered", "acknowledged"]),
    urgency=st.sampled_from(LEVELS),
    severity=st.sampled_from(LEVELS),
    is_paged=st.booleans(),
    ended=st.sampled_from([None, "failed", "canceled", "expired"]),
)


@given(
    STANDING,
    st.sampled_from(URGENCIES),
    st.sampled_from(LEVELS),
    st.lists(st.just("SRE"), max_size=1),
)
def test_a_repeat_that_pages_nobody_is_of_an_alert_that_pages_or_says_so(
    before: Known, urgency: str, severity: str | None, targets: list[str]
) -> None:
    decision = decide(before, urgency=urgency, severity=severity, targets=targets)
    is_quiet = not decision.pages and not decision.notes
    assert not is_quiet or (before.status != "acknowledged" and (before.is_paged or not targets))
    assert not is_quiet or before.is_paged or before.ended is None
    after = replace(
        before,
        urgency=decision.urgency or before.urgency,
        severity=decision.severity or before.severity,
    )
    again = decide(after, urgency=urgency, severity=severity, targets=targets)
    assert not again.raises, "it is raised once"


async def test_an_alert_whose_resolve_waits_is_no_duplicate(
    service_api: AsyncClient, paging: Paging
) -> None:
    paging.simulator.change(queued_s=3600)  # PagerTree refuses the resolve until it has opened it
    first = await created(service_api, **KEY)
    await service_api.post(f"/v1/alerts/{first['id']}/resolve")
    second, _ = await again(service_api)
    assert second != first["id"]
    assert len(await eventually(lambda: _there(paging), lambda found: len(found) == 2)) == 2
    shown = (await service_api.get(f"/v1/alerts/{first['id']}")).json()["data"]["attributes"]
    assert shown["deduplication_key"] is None
    third, _ = await again(service_api)
    assert third == second


@pytest.mark.usefixtures("directory")
@pytest.mark.parametrize("end", ["page", "incident"])
async def test_an_alert_whose_end_was_asked_for_elsewhere_is_no_duplicate(
    api: AsyncClient, end: str
) -> None:
    first = await created(api, **KEY)
    incident = {"data": {"type": "incidents", "attributes": {"alert_ids": [first["id"]]}}}
    assert (await api.post("/v1/incidents", json=incident)).is_success
    same, _ = await again(api)
    assert same == first["id"]
    if end == "incident":
        assert (await api.put("/v1/incidents/1/resolve")).is_success
    else:
        (page,) = (await api.get(f"/v1/pages?filter[alert_id]={first['id']}")).json()["data"]
        resolved = await api.post(f"/v1/alerts/{first['id']}/resolve")
        assert resolved.is_success, page
    other, _ = await again(api)
    assert other != first["id"]


async def test_an_alert_that_pagertree_dropped_is_no_duplicate(
    service_api: AsyncClient, paging: Paging
) -> None:
    first = await created(service_api, **KEY)
    await reaches(service_api, first["id"], status="triggered")
    (there,) = paging.simulator.alerts()
    paging.simulator.act(there["id"], "drop")

    async def is_dropped() -> bool:
        shown = (await service_api.get(f"/v1/alerts/{first['id']}")).json()["data"]["attributes"]
        return {"key": "pagertree_status", "value": "dropped"} in shown["labels"]

    await eventually(is_dropped)
    second, _ = await again(service_api)
    assert second != first["id"]


async def test_a_repeat_that_is_more_urgent_raises_the_alert_here_and_in_pagertree(
    service_api: AsyncClient, paging: Paging
) -> None:
    first = await created(service_api, **KEY, urgency="low")
    await reaches(service_api, first["id"], status="triggered")
    incident = {"data": {"type": "incidents", "attributes": {"alert_ids": [first["id"]]}}}
    await service_api.post("/v1/incidents", json=incident)
    same, notes = await again(service_api, urgency="critical", severity="SEV-1")
    assert same == first["id"]
    assert "urgency from low to critical, severity from unknown to critical" in notes[0]
    assert (await again(service_api, urgency="high"))[1] == []

    async def there() -> tuple[str, str]:
        (alert,) = paging.simulator.alerts()
        return alert["urgency"], alert["incident_severity"]

    assert await eventually(there, lambda found: found == ("critical", "sev_1"))
    await reaches(service_api, first["id"], alert_urgency_id="critical")
    timeline = (await service_api.get("/v1/incidents/1/events")).json()["data"]
    told = [each["attributes"]["event"] for each in timeline]
    assert any("Raised to urgency critical and severity critical" in each for each in told)
    assert len(await pages_of(service_api, first["id"])) == 1


async def test_a_repeat_of_an_acknowledged_alert_says_that_nobody_is_paged(
    service_api: AsyncClient, paging: Paging
) -> None:
    first = await created(service_api, **KEY, urgency="high")
    await reaches(service_api, first["id"], status="triggered")
    await service_api.post(f"/v1/alerts/{first['id']}/acknowledge")
    await reaches(service_api, first["id"], status="acknowledged")
    _, (note,) = await again(service_api, urgency="high")
    assert note.startswith("Nobody is paged by this: it was acknowledged at")

    _, notes = await again(service_api, urgency="critical")
    assert "people are paged again" in notes[-1]
    pages = await eventually(
        lambda: pages_of(service_api, first["id"]),
        lambda found: sorted(p["status"] for p in found) == ["acknowledged", "confirmed"],
    )
    assert {page["urgency"] for page in pages} == {"critical"}
    assert len(paging.simulator.alerts()) == 2


async def test_a_snooze_ends_when_the_alert_is_asked_for_more_urgently(
    service_api: AsyncClient, paging: Paging
) -> None:
    first = await created(service_api, **KEY, urgency="low")
    await reaches(service_api, first["id"], status="triggered")
    snooze = {"data": {"type": "alerts", "attributes": {"delay_minutes": 60}}}
    assert (await service_api.post(f"/v1/alerts/{first['id']}/snooze", json=snooze)).is_success
    await reaches(service_api, first["id"], status="acknowledged")
    _, (note,) = await again(service_api, urgency="low")
    assert note.startswith("Nobody is paged by this: it was snoozed until")
    _, notes = await again(service_api, urgency="critical")
    assert "people are paged again" in notes[-1]
    await eventually(
        lambda: pages_of(service_api, first["id"]),
        lambda found: sorted(p["status"] for p in found) == ["acknowledged", "confirmed"],
    )
    assert [each["urgency"] for each in paging.simulator.alerts()].count("critical") == 2


async def test_a_repeat_with_targets_pages_for_an_alert_that_paged_nobody(
    service_api: AsyncClient, paging: Paging
) -> None:
    first = await created(service_api, deduplication_key="disk-1")
    assert paging.simulator.alerts() == []
    same, _ = await again(service_api)
    assert same == first["id"]
    await reaches(service_api, first["id"], status="triggered")
    assert len(paging.simulator.alerts()) == 1


async def _there(paging: Paging) -> list[Any]:
    return list(paging.simulator.alerts())


@pytest.mark.parametrize(
    ("change", "note", "pages"),
    [
        ({"state": "failed"}, "failed: the same targets are paged again", 2),
        ({"state": "canceled"}, "Nobody is paged by this: the page of alert", 1),
    ],
)
async def test_a_repeat_without_targets_of_an_alert_whose_page_ended_pages_again_or_says_so(
    service_api: AsyncClient,
    paging: Paging,
    change: dict[str, str],
    note: str,
    pages: int,
) -> None:
    paging.simulator.change(key_refused=True)  # so that the page waits
    alert_id, _ = await again(service_api)
    (page,) = await paging_pages(paging, alert_id)

    async def is_refused() -> bool:
        (create,) = await paging.operations(page.id)
        return create.state == "queued" and create.last_error is not None

    await eventually(is_refused)
    async with paging.sessions.begin() as session:
        of_page = update(Operation).where(Operation.page_id == page.id)
        if change["state"] == "failed":
            await session.execute(of_page.values(state="running"))
        await session.execute(of_page.values(**change))
        await session.execute(update(Page).where(Page.id == page.id).values(status=change["state"]))
    same, notes = await again(service_api, teams=[])
    assert (same, len(await pages_of(service_api, alert_id))) == (alert_id, pages)
    assert any(note in each for each in notes)


async def paging_pages(paging: Paging, alert_id: str) -> list[Page]:
    async with paging.sessions() as session:
        found = await session.scalars(select(Page).where(Page.alert_id == UUID(alert_id)))
        return list(found.all())

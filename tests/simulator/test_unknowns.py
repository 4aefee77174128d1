"""What is not known about PagerTree: each of its possible forms can be had."""

from dataclasses import fields
from pathlib import Path

import pytest

from pagersync.simulator.faults import FAULTS
from pagersync.simulator.unknowns import Unknowns
from tests.support.pagertree import SimulatedPagerTree


def test_every_fault_and_every_unknown_stands_in_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for name in (*FAULTS, *(item.name for item in fields(Unknowns))):
        assert f"`{name}`" in readme


@pytest.mark.parametrize(("value", "kept"), [("kept", "m"), ("dropped", None)])
async def test_thirdparty_id(pagertree: SimulatedPagerTree, value: str, kept: str | None) -> None:
    pagertree.simulator.change(thirdparty_id=value)
    alert = await pagertree.created(thirdparty_id="m", tags=["m"])
    assert (alert["thirdparty_id"], alert["tags"]) == (kept, ["m"])
    found = await pagertree.client.get("alerts", params={"thirdparty_id": "m"})
    assert found.json()["total_count"] == (1 if kept else 0)


async def test_omitted_urgency(pagertree: SimulatedPagerTree) -> None:
    assert (await pagertree.create(urgency=None)).status_code == 422
    pagertree.simulator.change(omitted_urgency="defaulted")
    assert (await pagertree.created(urgency=None))["urgency"] == "medium"
    assert (await pagertree.created(urgency="low"))["urgency"] == "low"
    assert (await pagertree.create(urgency="loud")).status_code == 422


@pytest.mark.parametrize("status", [200, 201])
async def test_create_status(pagertree: SimulatedPagerTree, status: int) -> None:
    pagertree.simulator.change(create_status=status)
    assert (await pagertree.create()).status_code == status


async def test_action_answer(pagertree: SimulatedPagerTree) -> None:
    pagertree.simulator.change(action_answer="empty")
    alert = pagertree.simulator.add_alert(status="open")
    answer = await pagertree.client.post(f"alerts/{alert['id']}/acknowledge")
    assert (answer.status_code, answer.content) == (200, b"")
    await pagertree.reaches(alert["id"], "acknowledged")


@pytest.mark.parametrize(
    ("value", "keys"),
    [("tags", {"tags"}), ("tag_list", {"tag_list"}), ("both", {"tags", "tag_list"})],
)
async def test_tags_key(pagertree: SimulatedPagerTree, value: str, keys: set[str]) -> None:
    pagertree.simulator.change(tags_key=value)
    alert = await pagertree.created(tags=["m"])
    (row,) = (await pagertree.client.get("alerts", params={"tags": "m"})).json()["data"]
    for shown in (alert, row):
        assert {key for key in ("tags", "tag_list") if key in shown} == keys
        assert all(shown[key] == ["m"] for key in keys)


@pytest.mark.parametrize("form", ["sev_1", "SEV-1"])
@pytest.mark.parametrize("given", ["SEV-1", "sev_1"])
async def test_severity_form(pagertree: SimulatedPagerTree, form: str, given: str) -> None:
    pagertree.simulator.change(severity_form=form)
    alert = await pagertree.created(meta={"incident": True, "incident_severity": given})
    assert alert["incident_severity"] == alert["meta"]["incident_severity"] == form


async def test_duplicate_thirdparty_id(pagertree: SimulatedPagerTree) -> None:
    first = await pagertree.created(thirdparty_id="m")
    second = await pagertree.created(thirdparty_id="m")
    assert first["id"] != second["id"]
    pagertree.simulator.change(duplicate_thirdparty_id="deduplicated")
    assert (await pagertree.created(thirdparty_id="m"))["id"] == first["id"]
    for alert in (first, second):
        await pagertree.reaches(alert["id"], "open")
        pagertree.simulator.act(alert["id"], "resolve")
    assert (await pagertree.created(thirdparty_id="m"))["tiny_id"] == 3
    assert (await pagertree.created())["tiny_id"] == 4


@pytest.mark.parametrize(("value", "header"), [("absent", None), ("present", "1")])
@pytest.mark.parametrize("change", [{"rate_limited": 1}, {"outage": "unavailable"}])
async def test_retry_after(
    pagertree: SimulatedPagerTree, value: str, header: str | None, change: dict[str, object]
) -> None:
    pagertree.simulator.change(retry_after=value, **change)
    assert (await pagertree.create()).headers.get("retry-after") == header


async def test_prefix_id_destinations(pagertree: SimulatedPagerTree) -> None:
    team = pagertree.simulator.directory.teams[0]
    assert (await pagertree.create(destination_team_ids=[team.prefix_id])).is_success
    pagertree.simulator.change(prefix_id_destinations="refused")
    assert (await pagertree.create(destination_team_ids=[team.prefix_id])).status_code == 422
    assert (await pagertree.create(destination_team_ids=[team.id])).is_success

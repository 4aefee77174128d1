"""`severity_ids` of a workflow: a condition by another name."""

from typing import Any
from uuid import uuid4

import pytest

from pagersync.http import AsyncClient
from tests.workflows.test_routes import CREATED, body, pointers, saved, workflow


async def severities(api: AsyncClient) -> list[str]:
    async def made(name: str) -> str:
        answer = await api.post(
            "/v1/severities", json=body("severities", name=name, severity="high")
        )
        return str(answer.json()["data"]["id"])

    return [await made("One"), await made("Two")]


async def test_severity_ids_are_a_condition_on_the_severity(api: AsyncClient) -> None:
    one, two = await severities(api)
    made = await saved(api, severity_ids=[one.upper()])
    assert made["severity_ids"] == [one]
    assert made["trigger_params"]["incident_condition_severity"] == "IS"
    assert made["trigger_params"]["incident_severities"] == [one]
    assert made["trigger_params"]["triggers"] == ["incident_created"]
    url = f"/v1/workflows/{made['id']}"

    async def changed(**attributes: Any) -> dict[str, Any]:
        answer = await api.put(url, json=body(**attributes))
        assert answer.status_code == 200, answer.text
        return dict(answer.json()["data"]["attributes"])

    both = await changed(severity_ids=[one, two])
    assert both["trigger_params"]["incident_severities"] == both["severity_ids"] == [one, two]
    echoed = await changed(severity_ids=[two, one], trigger_params=both["trigger_params"])
    assert echoed["severity_ids"] == [two, one]
    kept = await changed(severity_ids=[], trigger_params=both["trigger_params"])
    assert kept["severity_ids"] == [one, two]
    assert (await changed(name="Renamed", severity_ids=None))["severity_ids"] == [one, two]
    none = await changed(severity_ids=[])
    assert none["trigger_params"] == {
        **both["trigger_params"],
        "incident_condition_severity": "ANY",
        "incident_severities": [],
    }
    slugs = {"incident_condition_severity": "IS", "incident_severities": ["one"]}
    await changed(trigger_params={**CREATED, **slugs})
    assert (await changed(severity_ids=[]))["trigger_params"]["incident_severities"] == ["one"]


async def test_what_a_get_returned_can_be_sent_back_whatever_became_of_the_severity(
    api: AsyncClient,
) -> None:
    one, two = await severities(api)
    made = await saved(api, severity_ids=[one, two])
    assert (await api.delete(f"/v1/severities/{two}")).status_code == 200
    undashed = {**CREATED, "incident_condition_severity": "IS"}
    other = await saved(
        api,
        name="Other",
        trigger_params={**undashed, "incident_severities": [one.replace("-", "")]},
    )
    assert other["severity_ids"] == [], "no incident's severity is written so"
    for workflow_id, seen in ((made["id"], made), (other["id"], other)):
        echo = {name: seen[name] for name in ("trigger_params", "severity_ids")}
        answer = await api.put(f"/v1/workflows/{workflow_id}", json=body(name="New", **echo))
        assert answer.status_code == 200, answer.text
        alone = body(severity_ids=seen["severity_ids"])
        assert (await api.put(f"/v1/workflows/{workflow_id}", json=alone)).status_code == 200


@pytest.mark.parametrize(
    "params",
    [
        {"incident_condition_severity": "IS NOT", "incident_severities": ["ID"]},
        {"incident_condition_severity": "IS", "incident_severities": ["critical"]},
        {"incident_severities": 5},
        {"incident_condition": "NONE"},
        {"trigger_type": "alert", "triggers": ["alert_created"]},
        {"trigger_type": "simple", "triggers": []},
        None,
    ],
)
async def test_severity_ids_that_cannot_be_are_refused(
    api: AsyncClient, params: dict[str, Any] | None
) -> None:
    one, _ = await severities(api)
    ids = [one] if params else [one, str(uuid4()), "one"]
    given = {**CREATED, **(params or {})}
    answer = await api.post("/v1/workflows", json=workflow(trigger_params=given, severity_ids=ids))
    where = ["/1", "/2"] if params is None else [""]
    assert pointers(answer).keys() == {f"/data/attributes/severity_ids{each}" for each in where}
    made = await saved(api, trigger_params={"trigger_type": "simple"}, severity_ids=[])
    refused = await api.put(f"/v1/workflows/{made['id']}", json=body(severity_ids=[one]))
    assert pointers(refused).keys() == {"/data/attributes/severity_ids"}

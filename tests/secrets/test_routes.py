"""Named secrets over the API: written, referred to, used, and never answered."""

import json
from typing import Any

import pytest

from pagersync.access.keys import create_key
from pagersync.access.models import Scope
from pagersync.database.engine import Sessions
from pagersync.http import AsyncClient, Response
from pagersync.integrations import service as integrations

VALUE = "canary-of-a-named-secret"


def document(kind: str, **attributes: Any) -> dict[str, Any]:
    return {"data": {"type": kind, "attributes": attributes}}


async def add(api: AsyncClient, name: str = "DEPLOY_TOKEN", **attributes: Any) -> Response:
    given = {"name": name, "value": VALUE, **attributes}
    return await api.post("/v1/secrets", json=document("secrets", **given))


def calling(**params: Any) -> dict[str, Any]:
    told = {
        "task_type": "http_client",
        "url": "https://hooks.example.com/x",
        "succeed_on_status": "200",
        **params,
    }
    return {"task_params": told}


async def save(api: AsyncClient, *tasks: dict[str, Any], **more: Any) -> Response:
    workflow = document("workflows", name="Tell", tasks=list(tasks), **more)
    return await api.post("/v1/workflows", json=workflow)


def problem(answer: Response) -> tuple[int, str, str]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["source"]["pointer"], error["detail"]


HEADER = json.dumps({"Authorization": "Bearer {{ secrets.DEPLOY_TOKEN }}"})


async def test_a_secret_from_its_making_to_its_end_is_never_answered(api: AsyncClient) -> None:
    made = await add(api)
    assert made.status_code == 201, made.text
    path = f"/v1/secrets/{made.json()['data']['id']}"
    answers = [made, await api.get("/v1/secrets"), await api.get("/v1/secrets/DEPLOY_TOKEN")]
    changed = document("secrets", value=f"{VALUE}-2")
    answers.append(await api.patch(path, json=changed, headers={"If-Match": '"1"'}))
    answers += [
        await api.patch(path, json=changed, headers={"If-Match": '"1"'}),
        await api.put(path, json=document("secrets", value=None)),
        await api.put(path, json=document("secrets", name="OTHER", value=VALUE)),
        await add(api),
        await add(api, "bad name"),
        await add(api, "SHORT", value="abc"),
        await api.get("/v1/audit"),
        await api.delete(path),
        await api.get(path),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [201, 200, 200, 200, 412, 422, 422, 409, 422, 422, 200, 204, 404]
    assert [answer.request.url for answer in answers if VALUE in answer.text] == []
    assert "abc" not in answers[9].text.replace("abcdef", "")


async def test_only_an_administrator_reaches_them_and_a_bound_key_does_not(
    api: AsyncClient, sessions: Sessions
) -> None:
    await add(api)
    async with sessions.begin() as session:
        account = (await integrations.add_integration(session, name="acme")).integration
        writer = await create_key(session, "w", [Scope.WRITE])
        bound = await create_key(session, "b", [Scope.ADMIN], integration_id=account.id)
    for key in (writer, bound):
        headers = {"Authorization": f"Bearer {key.token}"}
        assert (await api.get("/v1/secrets", headers=headers)).status_code == 403


async def test_an_unknown_secret_is_refused_with_those_that_there_are(api: AsyncClient) -> None:
    await add(api)
    refused = await save(api, calling(headers=HEADER.replace("TOKEN", "TOKN")))
    status, pointer, detail = problem(refused)
    assert (status, pointer) == (422, "/data/attributes/tasks/0/task_params/headers")
    assert "Did you mean 'DEPLOY_TOKEN'?" in detail
    endpoint = document(
        "webhooks_endpoints", name="Board", url="https://b.example/?t={{ secrets.NOPE }}"
    )
    status, pointer, detail = problem(await api.post("/v1/webhooks/endpoints", json=endpoint))
    assert (status, pointer) == (422, "/data/attributes/url")
    assert "There are DEPLOY_TOKEN." in detail


@pytest.mark.parametrize(
    "params",
    [
        {"body": "{{ secrets.DEPLOY_TOKEN | upcase }}"},
        {"body": "{% if secrets.DEPLOY_TOKEN %}x{% endif %}"},
        {"event_message": "{{ secrets.DEPLOY_TOKEN }}"},
        {"url": "https://{{ secrets.DEPLOY_TOKEN }}.example.com/"},
    ],
)
async def test_a_reference_stands_alone_and_only_where_it_is_sent(
    api: AsyncClient, params: dict[str, Any]
) -> None:
    await add(api)
    status, pointer, detail = problem(await save(api, calling(**params)))
    assert (status, pointer.rpartition("/")[2]) == (422, next(iter(params)))
    assert "secret" in detail
    printing = {"task_params": {"task_type": "print", "message": "{{ secrets.DEPLOY_TOKEN }}"}}
    assert (await save(api, printing)).status_code == 422


async def test_a_secret_in_use_stays_unless_it_is_forced_and_says_who_uses_it(
    api: AsyncClient,
) -> None:
    await add(api)
    assert (await save(api, calling(headers=HEADER))).status_code == 201
    headers = [{"name": "X-Key", "value": "{{ secrets.DEPLOY_TOKEN }}"}]
    endpoint = document(
        "webhooks_endpoints", name="Board", url="https://b.example/", custom_headers=headers
    )
    made = await api.post("/v1/webhooks/endpoints", json=endpoint)
    assert made.json()["data"]["attributes"]["custom_headers"] == headers
    refused = await api.delete("/v1/secrets/DEPLOY_TOKEN")
    assert refused.status_code == 409
    for user in ("'Tell'", "the webhook endpoint 'Board'"):
        assert user in refused.text
    shown = (await api.get("/v1/secrets/DEPLOY_TOKEN")).json()["data"]["attributes"]
    assert len(shown["used_by"]) == 2
    assert (await api.delete("/v1/secrets/DEPLOY_TOKEN?force=true")).status_code == 204
    codes = [each["attributes"]["code"] for each in (await api.get("/v1/findings")).json()["data"]]
    assert "secret_missing" in codes


async def test_a_secret_that_is_bound_to_accounts_is_for_their_workflows_alone(
    api: AsyncClient, sessions: Sessions
) -> None:
    async with sessions.begin() as session:
        one = (await integrations.add_integration(session, name="one")).integration
        other = (await integrations.add_integration(session, name="other")).integration
    made = await add(api, integration_ids=[str(one.id)])
    assert made.json()["data"]["attributes"]["integration_ids"] == [str(one.id)]
    assert (await add(api, "B", integration_ids=[made.json()["data"]["id"]])).status_code == 422
    good = await save(api, calling(headers=HEADER), integration_id=str(one.id))
    assert good.status_code == 201, good.text
    for integration_id in (None, str(other.id)):
        refused = await save(api, calling(headers=HEADER), integration_id=integration_id)
        assert problem(refused)[0] == 422
        moved = document("workflows", integration_id=integration_id)
        path = f"/v1/workflows/{good.json()['data']['id']}"
        status, pointer, _ = problem(await api.put(path, json=moved))
        assert (status, pointer) == (422, "/data/attributes/integration_id")


async def test_a_definition_with_masks_is_saved_again_and_keeps_its_secrets(
    api: AsyncClient,
) -> None:
    written = json.dumps({"Authorization": "Bearer written-out-canary", "X-Team": "sre"})
    made = await save(api, calling(headers=written))
    assert made.status_code == 201, made.text
    (task,) = made.json()["data"]["attributes"]["tasks"]
    headers = task["task_params"]["headers"]
    assert "canary" not in made.text
    assert '"X-Team": "sre"' in headers
    path = f"/v1/workflow_tasks/{task['id']}"
    again = await api.put(path, json=document("workflow_tasks", task_params=task["task_params"]))
    assert again.status_code == 200, again.text
    assert again.json()["data"]["attributes"]["task_params"] == task["task_params"]
    plain = {**task["task_params"], "headers": written}
    same = await api.put(path, json=document("workflow_tasks", task_params=plain))
    assert same.json()["data"]["attributes"]["task_params"]["headers"] == headers, (
        "the same secret keeps its mask"
    )
    elsewhere = {**task["task_params"], "url": "https://x/steal"}
    refused = await api.put(path, json=document("workflow_tasks", task_params=elsewhere))
    assert problem(refused)[1] == "/data/attributes/task_params/headers"
    assert (await save(api, calling(headers=headers))).status_code == 422, "of another workflow"

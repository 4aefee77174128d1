"""No secret leaves: all output of a run is searched for planted values."""

import json
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.http import AsyncClient, BasicAuth
from pagersync.integrations.vault import new_secret_key
from tests.support.account import event
from tests.support.program import Setup

API_KEY = "planted-pagertree-api-key-7f3a9c"
WRONG_SECRET = "planted-wrong-secret-51be0d"

PATIENCE_S = 30
"""The API's document takes a second of a processor."""

PATHS = (
    "/v1/integrations",
    "/v1/deliveries",
    "/v1/alerts",
    "/v1/alerts?filter[source]=%00",
    "/metrics",
    "/readyz",
    "/openapi.json",
)


async def test_secrets_are_in_no_log_error_metric_or_answer(
    database_url: str, engine: AsyncEngine, tmp_path: Path
) -> None:
    del engine  # needed only for its database to be emptied
    secret_key = new_secret_key()
    setup = Setup(
        tmp_path,
        {
            "PAGERSYNC_DATABASE_URL": database_url,
            "PAGERSYNC_SECRET_KEY": secret_key,
            "PAGERSYNC_LOG_LEVEL": "debug",
            "PAGERSYNC_LOG_FORMAT": "json",
        },
    )
    command = setup.having(PAGERSYNC_LOG_LEVEL="info")
    nobody = ("--pagertree-url", "http://127.0.0.1:9/api/v4")
    options = ("--api-key", API_KEY, "--no-verify", "--json", *nobody)
    migrated = await setup.run("migrate")
    created = await command.run("keys", "create", "test", "--json")
    added = await command.run("integrations", "add", "planted", *options)
    assert [migrated.returncode, created.returncode, added.returncode] == [0, 0, 0]
    token, made = json.loads(created.stdout)["token"], json.loads(added.stdout)
    async with setup.running("serve") as program:
        answers = await everything_that_can_go_wrong(await program.url(), made, token)
        assert await program.terminate() == 0
        log = program.log.read_text()
    shown = [log, *answers, migrated.stdout, migrated.stderr, created.stderr, added.stderr]
    planted = [API_KEY, WRONG_SECRET, made["webhook_secret"], token, secret_key]
    found = [value for value in planted for text in shown if value in text]
    assert found == []


async def everything_that_can_go_wrong(url: str, made: dict[str, Any], token: str) -> list[str]:
    """Return every answer of a run that uses each secret rightly and wrongly."""
    secret = made["webhook_secret"]
    hook = f"{url}/webhooks/pagertree/{made['id']}"
    async with AsyncClient(trust_env=False, timeout=PATIENCE_S) as pagertree:
        answers = [
            await pagertree.post(hook, params={"secret": secret}, json=event()),
            await pagertree.post(hook, params={"secret": secret}, content=b"nonsense"),
            await pagertree.post(hook, params={"secret": secret}, content=b"x" * 2_000_000),
            await pagertree.post(hook, params={"secret": WRONG_SECRET}, json=event()),
            await pagertree.post(hook, auth=BasicAuth("u", secret), json=event("alert.open")),
            await pagertree.post(hook, auth=BasicAuth("u", WRONG_SECRET), json=event()),
            await pagertree.get(hook, params={"secret": secret}),
            await pagertree.post(f"{hook}x", params={"secret": secret}, json=event()),
            await pagertree.get(f"{url}/nowhere", params={"secret": secret}),
            await pagertree.get(
                f"{url}/v1/alerts", headers={"Authorization": f"Bearer {WRONG_SECRET}"}
            ),
        ]
    async with AsyncClient(
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
        timeout=PATIENCE_S,
    ) as api:
        refused = {"name": "x", "api_key": API_KEY, "pagertree_url": "http://127.0.0.1:9/"}
        wrong = {"name": 7, "api_key": API_KEY, "surprise": API_KEY[:3]}
        for attributes in (refused, wrong):
            body = {"data": {"type": "integrations", "attributes": attributes}}
            answers.append(await api.post("/v1/integrations", json=body))
        answers += [await api.get(path) for path in (*PATHS, f"/v1/integrations/{made['id']}")]
        await api.delete(f"/v1/integrations/{made['id']}")
    return [f"{answer.headers} {answer.text}" for answer in answers]

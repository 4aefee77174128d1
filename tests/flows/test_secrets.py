"""No secret leaves: all output of a run is searched for planted values."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.http import AsyncClient, BasicAuth
from pagersync.integrations.vault import new_secret_key
from tests.support.account import event
from tests.support.wait import eventually

API_KEY = "planted-pagertree-api-key-7f3a9c"
WRONG_SECRET = "planted-wrong-secret-51be0d"

PATHS = (
    "/v1/integrations",
    "/v1/deliveries",
    "/v1/alerts",
    "/v1/alerts?filter[source]=%00",
    "/metrics",
    "/readyz",
    "/openapi.json",
)


def command(env: dict[str, str], *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "pagersync", *words], env=env, capture_output=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer | {"stderr": done.stderr.decode()}


async def test_secrets_are_in_no_log_error_metric_or_answer(
    database_url: str, engine: AsyncEngine
) -> None:
    del engine  # needed only for its database to be emptied
    with tempfile.TemporaryDirectory(prefix="ps-") as directory:
        secret_key = new_secret_key()
        env = {name: value for name, value in os.environ.items() if "PAGERSYNC" not in name} | {
            "PAGERSYNC_DATABASE_URL": database_url,
            "PAGERSYNC_DATA_DIR": directory,
            "PAGERSYNC_SECRET_KEY": secret_key,
            "PAGERSYNC_LOG_LEVEL": "debug",
            "PAGERSYNC_LOG_FORMAT": "json",
        }
        command_env = env | {"PAGERSYNC_LOG_LEVEL": "info"}
        log_path = Path(directory) / "serve.log"
        migrate = [sys.executable, "-m", "pagersync", "migrate"]
        subprocess.run(migrate, env=env, check=True, capture_output=True)
        key = command(command_env, "keys", "create", "test", "--json")
        nobody = ("--pagertree-url", "http://127.0.0.1:9/api/v4")
        options = ("--api-key", API_KEY, "--no-verify", "--json", *nobody)
        made = command(command_env, "integrations", "add", "planted", *options)
        answers: list[str] = [key["stderr"], made["stderr"]]
        with log_path.open("wb") as log:
            serve = subprocess.Popen(
                [sys.executable, "-m", "pagersync", "serve", "--port", "0"],
                env=env,
                stdout=log,
                stderr=log,
            )
            try:
                url = await eventually(lambda: ready_url(log_path))
                answers += await everything_that_can_go_wrong(str(url), made, key["token"])
            finally:
                serve.terminate()
                assert serve.wait(timeout=10) == 0
        shown = [log_path.read_text(), *answers]
        planted = [API_KEY, WRONG_SECRET, made["webhook_secret"], key["token"], secret_key]
        found = [value for value in planted for text in shown if value in text]
        assert found == []


async def ready_url(log_path: Path) -> str | None:
    lines = [line for line in log_path.read_text().splitlines() if '"pagersync is ready"' in line]
    return json.loads(lines[0])["url"] if lines else None


async def everything_that_can_go_wrong(url: str, made: dict[str, Any], token: str) -> list[str]:
    """Return every answer of a run that uses each secret rightly and wrongly."""
    secret = made["webhook_secret"]
    hook = f"{url}/webhooks/pagertree/{made['id']}"
    async with AsyncClient(trust_env=False) as pagertree:
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
        base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
    ) as api:
        refused = {"name": "x", "api_key": API_KEY, "pagertree_url": "http://127.0.0.1:9/"}
        wrong = {"name": 7, "api_key": API_KEY, "surprise": API_KEY[:3]}
        for attributes in (refused, wrong):
            body = {"data": {"type": "integrations", "attributes": attributes}}
            answers.append(await api.post("/v1/integrations", json=body))
        answers += [await api.get(path) for path in (*PATHS, f"/v1/integrations/{made['id']}")]
        await api.delete(f"/v1/integrations/{made['id']}")
    return [f"{answer.headers} {answer.text}" for answer in answers]

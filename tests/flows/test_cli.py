"""Commands on an embedded database, beside a running `serve` and without one."""

from collections.abc import Iterator

import pytest

from pagersync.http import AsyncClient
from tests.support.account import event
from tests.support.program import Setup, embedded_setup
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with embedded_setup(PAGERTREE_API_KEY="planted-key") as setup:
        yield setup


async def test_commands_work_on_an_embedded_database_that_nobody_runs(setup: Setup) -> None:
    added = await setup.ask("integrations", "add", "acme", "--no-verify")
    rotated = await setup.ask("integrations", "rotate-secret", "acme")
    assert rotated["id"] == added["id"]
    assert rotated["webhook_secret"] != added["webhook_secret"]
    await setup.tell("integrations", "disable", added["id"], "--yes")
    (listed,) = await setup.ask("integrations", "list")
    assert (listed["id"], listed["name"], listed["enabled"]) == (added["id"], "acme", False)
    await setup.tell("integrations", "enable", "acme")
    shown = await setup.ask("integrations", "show", "acme")
    assert (shown["enabled"], shown["refusals"]) == (True, [])
    assert "planted-key" not in str(shown)
    await setup.tell("integrations", "remove", "acme", "--yes")
    assert await setup.ask("integrations", "list") == []

    key = await setup.ask("keys", "create", "ci", "--scope", "read")
    (kept,) = await setup.ask("keys", "list")
    assert (kept["id"], kept["name"], kept["scopes"]) == (key["id"], "ci", "read")
    await setup.tell("keys", "revoke", key["id"])
    assert await setup.ask("keys", "list") == []


async def test_commands_beside_a_running_serve_take_effect_in_it(setup: Setup) -> None:
    async with setup.running("serve") as program, AsyncClient(trust_env=False) as client:
        server = await program.url()
        added = await setup.ask("integrations", "add", "beside", "--no-verify")
        webhook = f"{server}/webhooks/pagertree/{added['id']}"

        async def status(secret: str = added["webhook_secret"]) -> int:
            answer = await client.post(webhook, params={"secret": secret}, json=event())
            return answer.status_code

        assert await status() == 202
        rotated = await setup.ask("integrations", "rotate-secret", "beside", "--grace-hours", "0")
        await eventually(status, lambda code: code == 401)
        assert await status(rotated["webhook_secret"]) == 202

        async def status_now() -> int:
            return await status(rotated["webhook_secret"])

        await setup.tell("integrations", "disable", "beside", "--yes")
        await eventually(status_now, lambda code: code == 403)
        await setup.tell("integrations", "enable", "beside")
        await eventually(status_now, lambda code: code == 202)

        key = await setup.ask("keys", "create", "ci")
        client.headers["authorization"] = f"Bearer {key['token']}"
        assert (await client.get(f"{server}/v1/alerts")).json()["data"][0]["type"] == "alerts"
        await setup.tell("keys", "revoke", key["id"])
        refused = await client.get(f"{server}/v1/alerts")
        assert refused.status_code == 401

        async def reasons() -> set[str]:
            shown = await setup.ask("integrations", "show", "beside")
            return {refusal["reason"] for refusal in shown["refusals"]}

        expected = {"wrong_secret", "integration_disabled"}
        await eventually(reasons, lambda seen: seen == expected)
        await setup.tell("integrations", "remove", "beside", "--yes")
        await eventually(status_now, lambda code: code == 401)
        assert await setup.ask("integrations", "list") == []
        assert await program.terminate() == 0
        assert "planted-key" not in program.log.read_text()
        assert added["webhook_secret"] not in program.log.read_text()


async def test_what_a_command_cannot_do_is_one_line(setup: Setup) -> None:
    ended = await setup.run("integrations", "show", "nobody")
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines()[-1].startswith("pagersync: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("integrations", "show", "\udcff"),
        ("integrations", "disable", "\udcff"),
        ("integrations", "add", "\udcff"),
        ("integrations", "add", "01a208cf-fef7-741f-b5a2-3e10a979588c"),
        ("integrations", "add", "x", "--pagertree-url", "http://x:99999"),
        ("keys", "create", "\udcff"),
        ("keys", "create", " "),
    ],
)
async def test_what_cannot_be_a_name_or_an_address_is_one_line(
    setup: Setup, arguments: tuple[str, ...]
) -> None:
    ended = await setup.run(*arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("pagersync: ")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "x", "--days", "3651"),
        ("integrations", "rotate-secret", "x", "--grace-hours", "8761"),
        ("integrations", "add", "x", "--alerts-per-day-max", "1000000001"),
    ],
)
async def test_a_number_beyond_its_limit_is_a_usage_error(
    setup: Setup, arguments: tuple[str, ...]
) -> None:
    ended = await setup.run(*arguments)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


async def test_serve_with_a_malformed_secret_key_ends_in_one_line(setup: Setup) -> None:
    ended = await setup.having(PAGERSYNC_SECRET_KEY="short").run("serve")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("pagersync: PAGERSYNC_SECRET_KEY is malformed")
    assert "Traceback" not in ended.stderr

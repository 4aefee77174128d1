import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from typer.testing import CliRunner, Result

from pagersync.http import AsyncClient, HTTPError
from pagersync.simulator.cli import app
from tests.support.wait import eventually

from .receiver import Receiver, always, receiving

SECRET = "s3cret-of-the-webhook"


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments))


def sent_types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for body in receiver.bodies]


async def test_send_plays_alerts_and_prints_a_report() -> None:
    async with receiving() as receiver:
        result = await run("send", "--url", receiver.url, "--alerts", "3", "--seed", "5")

    assert result.exit_code == 0, result.output
    assert f"{len(receiver.received)} events to {receiver.url}" in result.output
    assert "The same again: --seed 5 --start 2026-01-01T00:00:00+00:00" in result.output
    assert sent_types(receiver).count("alert.created") == 3


async def test_the_same_seed_sends_the_same_bytes() -> None:
    sent = []
    for _ in range(2):
        async with receiving() as receiver:
            await run("send", "--url", receiver.url, "--alerts", "2", "--seed", "6")
        sent.append(receiver.bodies)
    assert sent[0] == sent[1]


async def test_the_json_report_repeats_itself() -> None:
    async with receiving() as first:
        result = await run("send", "--url", first.url, "--alerts", "2", "--json")
    report = json.loads(result.output)
    again = ["--seed", str(report["seed"]), "--start", report["started_at"]]
    async with receiving() as second:
        await run("send", "--url", second.url, "--alerts", "2", *again)

    assert first.bodies == second.bodies
    assert report["events"] == len(report["deliveries"]) == len(first.bodies)


@pytest.mark.parametrize(
    ("auth", "where"), [("query", "target"), ("basic", "headers"), ("bare", "headers")]
)
async def test_secrets_are_sent_and_never_shown(auth: str, where: str) -> None:
    async with receiving(always(401)) as receiver:
        arguments = ["--url", f"{receiver.url}?token={SECRET}", "--secret", SECRET, "--auth", auth]
        for flag in ([], ["--json"]):
            result = await run("send", *arguments, "--alerts", "1", "--time-scale", "0", *flag)
            assert result.exit_code == 1
            assert SECRET not in result.output

    has_header = "authorization" in receiver.received[0].headers
    assert has_header == (where == "headers")
    assert ("secret=" in receiver.received[0].target) == (where == "target")


async def test_a_delivery_that_is_given_up_makes_it_exit_with_1() -> None:
    async with receiving(always(422)) as receiver:
        result = await run("send", "--url", receiver.url, "--alerts", "4", "--time-scale", "0")

    assert result.exit_code == 1
    assert "after 15 attempts, the last: 422" in result.output
    assert "(--json shows all)" in result.output
    assert "Given up: alert.created alt_" in result.output


async def test_chaos_is_sent_and_counted() -> None:
    async with receiving() as receiver:
        chaos = ["--duplicates", "1", "--reorder", "9", "--late", "0.5", "--concurrency", "4"]
        result = await run("send", "--url", receiver.url, *chaos, "--seed", "7", "--json")

    report = json.loads(result.output)
    assert report["duplicates"] == report["events"] == len(receiver.bodies) / 2
    assert sent_types(receiver) != sorted(sent_types(receiver))


async def test_bodies_are_changed_by_rules_templates_and_linked_objects() -> None:
    async with receiving() as receiver:
        result = await run(
            *("send", "--url", receiver.url, "--alerts", "1", "--linked"),
            *("--rule", "region=eu", "--rule", "level=3", "--rule", "a=b=c"),
            *("--drop", "meta", "--drop", "tags"),
        )

    assert result.exit_code == 0, result.output
    body = json.loads(receiver.bodies[0])
    assert (body["region"], body["level"], body["a"]) == ("eu", 3, "b=c")
    assert not {"meta", "tags"} & set(body["data"])
    assert "source" in body["data"]


async def test_comments_and_reminders_come_along_when_asked_for() -> None:
    async with receiving() as receiver:
        arguments = ["--url", receiver.url, "--comments", "--reminders", "--drop", "title"]
        result = await run("send", *arguments, "--seed", "8")

    assert result.exit_code == 0, result.output
    assert "comment.created" in sent_types(receiver)
    assert "event_reminder.going_on_call" in sent_types(receiver)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--url", "localhost:1"),
        ("--url", "http://127.0.0.1:1/", "--rule", "novalue"),
        ("--url", "http://127.0.0.1:1/", "--rule", "=x"),
        ("--url", "http://127.0.0.1:1/", "--start", "yesterday"),
        ("--url", "http://127.0.0.1:1/", "--duplicates", "1.5"),
        ("--url", "http://127.0.0.1:1/", "--auth", "bearer"),
        ("--url", "http://127.0.0.1:1/", "--alerts", "0"),
    ],
)
async def test_wrong_options_are_refused_before_anything_is_sent(arguments: list[str]) -> None:
    assert (await run("send", *arguments)).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--api-key", ""),
        ("--api-key", "k", "--fault", "meteor=1"),
        ("--api-key", "k", "--fault", "slow"),
        ("--api-key", "k", "--fault", "slow=2"),
        ("--api-key", "k", "--fault", "queued_s=1"),
        ("--api-key", "k", "--faults", "0.9", "--fault", "slow=0.9"),
        ("--api-key", "k", "--unknown", "weather=good"),
        ("--api-key", "k", "--unknown", "create_status=204"),
        ("--api-key", "k", "--webhook-url", "nowhere"),
    ],
)
async def test_api_refuses_wrong_options(arguments: list[str]) -> None:
    result = await run("api", *arguments)
    assert result.exit_code == 2, result.output


@asynccontextmanager
async def api_command(*arguments: str, log: list[str]) -> AsyncIterator[AsyncClient]:
    """Yield a client of a running `pagersync simulator api`, which ends on Ctrl-C."""
    program = "from pagersync.simulator.cli import app; app()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "api", "--port", "0", "--api-key", SECRET, *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stdout is not None
    try:
        while "running on" not in "".join(log):
            line = (await process.stdout.readline()).decode()
            assert line, log
            log.append(line)
        base = next(word for word in log[-1].split() if word.startswith("http://"))
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with AsyncClient(trust_env=False, base_url=base, headers=headers) as client:
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        log.append((await process.stdout.read()).decode())
        await process.wait()


async def test_api_serves_an_account_that_is_decided_by_its_options() -> None:
    log: list[str] = []
    async with receiving() as receiver:
        arguments = (
            *("--webhook-url", receiver.url, "--webhook-secret", SECRET, "--webhook-auth", "basic"),
            *("--queued-s", "0.01", "--acknowledge-after-s", "0.01", "--seed", "5"),
            *("--unknown", "create_status=201", "--unknown", "tags_key=tags"),
            *("--fault", "rate_limited=0", "--faults", "0"),
        )
        async with api_command(*arguments, log=log) as client:
            (team,) = (await client.get("/api/v4/teams?name=Payments")).json()["data"]
            body = {"title": "t", "urgency": "low", "destination_team_ids": [team["id"]]}
            created = await client.post("/api/v4/alerts", json=body)
            options = (await client.get("/control")).json()

            async def types() -> list[str]:
                return sorted(sent_types(receiver))

            expected = ["alert.acknowledged", "alert.created", "alert.open"]
            await eventually(types, lambda seen: seen == expected)

    assert created.status_code == 201
    assert "tag_list" not in created.json()
    assert (options["seed"], options["hold_s"]) == (5, 30)
    assert SECRET not in "".join(log)


async def test_api_ends_at_once_though_it_holds_a_connection() -> None:
    log: list[str] = []
    async with AsyncClient(trust_env=False, timeout=60) as holder:
        async with api_command("--fault", "timeout_before=1", log=log) as client:
            url, headers = client.base_url.join("/api/v4/teams"), client.headers
            holding = asyncio.create_task(holder.get(url, headers=headers))

            async def requests() -> list[object]:
                return list((await client.get("/control/requests")).json())

            await eventually(requests)
            assert not holding.done()
        with pytest.raises(HTTPError):
            await holding
    assert "Traceback" not in "".join(log)

import asyncio
import json
import os
import signal
import sys

import pytest
from typer.testing import CliRunner, Result

from pagersync.http import AsyncClient
from pagersync.simulator.cli import app

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


async def test_api_wants_a_key() -> None:
    assert (await run("api")).exit_code == 2
    assert (await run("api", "--api-key", "")).exit_code == 2


async def test_api_serves_the_rest_part() -> None:
    program = "from pagersync.simulator.cli import app; app()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, "api", "--port", "0", "--api-key", SECRET),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert process.stderr is not None
    log = ""
    try:
        while "running on" not in log:
            line = (await process.stderr.readline()).decode()
            assert line, log
            log += line
        base = next(word for word in log.split() if word.startswith("http://"))
        async with AsyncClient(trust_env=False) as client:
            headers = {"Authorization": f"Bearer {SECRET}"}
            response = await client.get(f"{base}/api/v4/teams", headers=headers)
    finally:
        process.send_signal(signal.SIGINT)
        log += (await process.stderr.read()).decode()
        await process.wait()

    assert response.json()["total_count"] == 6
    assert SECRET not in log

"""The demo as a person runs it, and the checks that it makes."""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pagersync.http import AsyncClient
from pagersync.simulator.account import make_account, seeded
from pagersync.simulator.demo import report
from pagersync.simulator.demo_checks import Check, Kept, Sent, Told, compare, expected_status
from pagersync.simulator.demo_stage import (
    DemoError,
    announced_url,
    environment,
    running_service,
    temporary_directory,
)
from pagersync.simulator.demo_text import check_lines, one_history, sent_and_kept, some_alerts
from pagersync.simulator.demo_traffic import write_demo_script
from pagersync.simulator.life import LifeOptions, life_along

pytestmark = pytest.mark.long

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def place() -> Iterator[Path]:
    """Yield an empty directory for temporary files, with a path that is short and open enough."""
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@asynccontextmanager
async def demo(place: Path, *options: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pagersync", "demo", *options),
        stdout=PIPE,
        stderr=STDOUT,
        env={
            **os.environ,
            "TMPDIR": str(place),
            "PYTHONIOENCODING": "utf-8",
            "PAGERSYNC_DATABASE_URL": "of the caller",
            "PAGERSYNC_PORT": "none",
        },
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def read_until(process: Process, words: str) -> str:
    assert process.stdout is not None
    text = ""
    while words not in text:
        line = (await process.stdout.readline()).decode()
        assert line, text
        text += line
    return text


async def read_all(process: Process) -> str:
    assert process.stdout is not None
    text = (await process.stdout.read()).decode()
    await process.wait()
    return text


async def test_the_demo_finds_everything_in_order_and_leaves_nothing_behind(place: Path) -> None:
    async with demo(place, "--once") as process:
        text = await read_all(process)

    assert process.returncode == 0, text
    assert text.count("✓") == 14, text
    assert "✗" not in text
    assert list(place.iterdir()) == []
    assert max(map(len, text.splitlines())) <= 100
    assert len(text.splitlines()) <= 140
    assert not re.search("psk_|pswh_", text), text


async def test_the_demo_serves_until_ctrl_c(place: Path) -> None:
    async with demo(place) as process:
        text = await read_until(process, "/v1/alerts\n")
        (url,), (key, *_) = re.findall(r"(http\S+)/docs", text), re.findall(r"psk_[\w-]+", text)
        (to_page,) = re.findall("-d '(.+)'", text)
        async with AsyncClient(base_url=url, trust_env=False) as client:
            headers = {"Authorization": f"Bearer {key}"}
            alerts = await client.get("/v1/alerts", headers=headers)
            paged = await client.post("/v1/pages", headers=headers, json=json.loads(to_page))
            pages = [await client.get(path) for path in ("/docs", "/metrics")]
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        rest = await read_all(process)

    assert len(alerts.json()["data"]) == 43
    assert paged.status_code == 202, paged.text
    assert [page.status_code for page in pages] == [200, 200]
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    assert list(place.iterdir()) == []


async def test_ctrl_c_at_the_start_leaves_nothing_behind(place: Path) -> None:
    async with demo(place, "--once") as process:
        await read_until(process, "pagersync demo:")
        process.send_signal(signal.SIGINT)
        text = await read_all(process)

    assert process.returncode == 130, text
    assert "Traceback" not in text
    assert list(place.iterdir()) == []


async def test_the_death_of_the_service_is_told_with_its_last_words(place: Path) -> None:
    async with demo(place, "--once") as process:
        await read_until(process, "started")
        log = next(place.glob("*/service.log"))
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        os.kill(next(entry["pid"] for entry in entries if "ready" in entry["event"]), 9)
        text = await read_all(process)

    assert process.returncode == 1, text
    assert "ended with status -9" in text
    assert "pagersync is ready" in text
    assert list(place.iterdir()) == []


async def test_a_service_that_cannot_start_says_why(place: Path) -> None:
    (place / "postgres").write_text("no directory")
    with pytest.raises(DemoError, match=r"status 1\.(.|\n)*postgres"):
        async with running_service(place):
            pass


def test_settings_of_the_caller_do_not_reach_the_service() -> None:
    own = {"PATH": "/bin", "PAGERSYNC_PORT": "1", "PAGERSYNC_PUBLIC_URL": "https://example.com"}
    assert environment(own, Path("/data")) == {
        "PATH": "/bin",
        "PAGERSYNC_DATA_DIR": "/data",
        "PAGERSYNC_LOG_FORMAT": "json",
        "PAGERSYNC_SEARCH_SETTLE_S": "1",
    }


def test_other_users_can_pass_through_the_temporary_directory_but_not_look_into_it() -> None:
    with temporary_directory() as directory:
        assert directory.stat().st_mode & 0o777 == 0o711
    assert not directory.exists()


@pytest.mark.parametrize(
    ("log", "url"),
    [
        ("", None),
        ('{"event": "starting"}\n{"event": "pagersync is re', None),
        ('Warning: "pagersync is ready"\n3\n', None),
        ('{"event": "pagersync is ready", "url": "http://127.0.0.1:5"}\n', "http://127.0.0.1:5"),
    ],
)
def test_the_address_is_read_from_the_log(log: str, url: str | None) -> None:
    assert announced_url(log) == url


def test_the_play_is_the_same_every_time_and_ends_now() -> None:
    script, later = (write_demo_script(now=NOW + timedelta(days=days)) for days in (0, 1))

    assert script.events[-1].at == NOW
    assert [event.type for event in script.events] == [event.type for event in later.events]
    assert {event.type.partition(".")[0] for event in script.events} == {"alert", "comment"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (["created"], "open"),
        (["created", "open"], "triggered"),
        (["created", "open", "timeout", "rejected"], "triggered"),
        (["created", "open", "dropped"], "open"),
        (["created", "open", "acknowledged"], "acknowledged"),
        (["created", "open", "acknowledged", "handoff"], "triggered"),
        (["created", "open", "resolved"], "resolved"),
        (["created", "open", "resolved", "timeout"], "resolved"),
    ],
)
def test_the_expected_status_follows_from_the_end_of_the_life(path: list[str], status: str) -> None:
    rng = seeded("status")
    types = [f"alert.{name}" for name in path]
    life = life_along(types, rng, make_account(rng), LifeOptions(NOW))
    assert expected_status([Told(event, "") for event in life]) == status


@pytest.fixture
def sent() -> Sent:
    rng = seeded("sent")
    account = make_account(rng)
    lives = [
        life_along(["alert.created", "alert.open", *more], rng, account, LifeOptions(NOW))
        for more in ([], ["alert.acknowledged", "alert.resolved"])
    ]
    told = [[Told(event, f"{event.type} {n}") for event in life] for n, life in enumerate(lives)]
    return Sent(
        lives={life[0].event.data["id"]: life for life in told},
        others=[],
        unreadable_sha256="unreadable",
        requests=10,
        duplicates=2,
        accepted=8,
        given_up=0,
        answers={"wrong secret": 401, "unreadable body": 422},
    )


@pytest.fixture
def kept(sent: Sent) -> Kept:
    """Return what a service without mistakes keeps; word came in the true order backwards."""
    told = [step for life in sent.lives.values() for step in life]
    return Kept(
        alerts=[_alert(id_, life) for id_, life in sent.lives.items()],
        events={id_: [_event(step) for step in life][::-1] for id_, life in sent.lives.items()},
        deliveries=[
            *(_delivery(step.body_sha256, -place, 2) for place, step in enumerate(told[:2])),
            *(_delivery(step.body_sha256, -place, 1) for place, step in enumerate(told[2:])),
            {**_delivery(sent.unreadable_sha256, 0, 1), "state": "invalid"},
        ],
        refusals={"wrong_secret": 1},
    )


def _alert(id_: str, life: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "external_id": id_,
        "short_id": "ABC234",
        "status": expected_status(life),
        "summary": "It is on fire",
        "labels": [{"key": "pagertree_urgency", "value": "high"}],
    }


def _event(step: Told) -> dict[str, Any]:
    return {
        "event_type": step.event.type,
        "occurred_at": step.event.at.isoformat(),
        "delivery_id": step.body_sha256,
    }


def _delivery(sha256: str, second: int, times: int) -> dict[str, Any]:
    return {
        "id": sha256,
        "body_sha256": sha256,
        "state": "done",
        "times_received": times,
        "received_at": (NOW + timedelta(seconds=second)).isoformat(),
    }


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if not check.passed]


def test_what_is_kept_without_a_mistake_passes_every_check(sent: Sent, kept: Kept) -> None:
    assert failed(compare(sent, kept)) == []


@pytest.mark.parametrize(
    ("mistake", "name"),
    [
        ("an alert twice", "once each"),
        ("a wrong status", "happened last"),
        ("an event twice", "histories"),
        ("an event missing", "histories"),
        ("another body", "byte for byte"),
        ("a delivery that waits", "applied"),
        ("a request not counted", "right secret"),
        ("a refusal not counted", "refused"),
    ],
)
def test_each_mistake_fails_the_check_that_is_about_it(
    sent: Sent, kept: Kept, mistake: str, name: str
) -> None:
    kept = _with_mistake(deepcopy(kept), mistake)
    (failure,) = failed(compare(sent, kept))
    assert name in failure


def _with_mistake(kept: Kept, mistake: str) -> Kept:
    match mistake:
        case "an alert twice":
            return replace(kept, alerts=[*kept.alerts, kept.alerts[0]])
        case "a wrong status":
            kept.alerts[0]["status"] = "resolved"
        case "an event twice":
            events = kept.events[kept.alerts[0]["id"]]
            return replace(kept, events={**kept.events, kept.alerts[0]["id"]: [*events, events[0]]})
        case "an event missing":
            return replace(kept, events={**kept.events, kept.alerts[0]["id"]: []})
        case "another body":
            kept.deliveries[0]["body_sha256"] = "other"
        case "a delivery that waits":
            kept.deliveries[0]["state"] = "queued"
        case "a request not counted":
            kept.deliveries[0]["times_received"] -= 1
        case "a refusal not counted":
            return replace(kept, refusals={})
    return kept


def test_one_failed_check_makes_the_exit_code_1(
    sent: Sent, kept: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(sent, kept) == 0
    assert "FAILED" not in capsys.readouterr().out
    assert report(replace(sent, given_up=1), kept) == 1
    assert "given up: expected 0, seen 1" in capsys.readouterr().out


def test_a_request_that_was_not_refused_fails(sent: Sent, kept: Kept) -> None:
    let_in = replace(sent, answers={**sent.answers, "wrong secret": 202})
    (failure,) = [check for check in compare(let_in, kept) if not check.passed]
    assert list(check_lines([failure])) == [
        "Checked against what the simulator knows",
        f"  ✗ FAILED: {failure.name}",
        "      wrong secret: expected 401, seen 202",
    ]


def test_a_failed_check_shows_a_few_differences_and_how_many_more() -> None:
    check = Check("all", expected=dict.fromkeys("abcdefgh", 1), seen={"a": 1, "z": 2})
    assert list(check.differences()) == [
        *(f"{key}: expected 1, seen nothing" for key in "bcdef"),
        "... and 3 more",
    ]


def test_the_text_tells_what_came_late_and_twice(sent: Sent, kept: Kept) -> None:
    assert "      6  events in their histories; 4 came after a newer one" in list(
        sent_and_kept(sent, kept)
    )
    assert [line.split()[:4] for line in some_alerts(kept)][1:] == [
        ["ABC234", "triggered", "high", "2"],
        ["ABC234", "resolved", "high", "4"],
    ]
    lines = list(one_history(kept))
    assert lines[0] == "ABC234: what happened, and when word of it came"
    assert [line.split()[1] for line in lines[1:]] == [
        "alert.created",
        "alert.open",
        "alert.acknowledged",
        "alert.resolved",
    ]
    assert lines[1].endswith("late")
    assert not lines[-1].endswith("late")


def test_the_text_can_tell_of_nothing(sent: Sent) -> None:
    nothing = Kept(alerts=[], events={}, deliveries=[], refusals={})
    assert "      0  alerts: " in list(sent_and_kept(sent, nothing))
    assert len(list(some_alerts(nothing))) == 1
    assert list(one_history(nothing)) == []

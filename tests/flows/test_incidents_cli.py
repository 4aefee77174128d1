"""Incidents from a terminal."""

from collections.abc import Iterator

import pytest

from tests.support.program import Setup, embedded_setup


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with embedded_setup() as setup:
        yield setup


async def test_an_incident_is_created_listed_shown_and_resolved_from_a_terminal(
    setup: Setup,
) -> None:
    created = await setup.ask(
        "incidents", "create", "Checkout is down", "--severity", "critical", "--label", "team:shop"
    )
    assert (created["sequential_id"], created["status"]) == (1, "started")
    assert created["severity"] == "Critical"
    assert created["labels"] == {"team": "shop"}
    assert created["created_by"] == "the command line"
    listed = await setup.ask("incidents", "list")
    assert [row["id"] for row in listed] == [created["id"]]
    assert "Critical" in (await setup.run("incidents", "list")).stdout
    resolved = await setup.ask("incidents", "resolve", "1", "--message", "rolled back")
    assert (resolved["status"], resolved["id"]) == ("resolved", created["id"])
    assert (resolved["resolution_message"], bool(resolved["mitigated_at"])) == ("rolled back", True)
    assert await setup.ask("incidents", "list") == []
    assert len(await setup.ask("incidents", "list", "--status", "resolved")) == 1
    shown = await setup.ask("incidents", "show", created["id"])
    assert [entry["event"] for entry in shown["timeline"]] == [
        "Incident 1 created as Started by the command line.",
        "Status changed from Started to Resolved by the command line: rolled back",
    ]
    told = (await setup.run("incidents", "show", "1")).stdout
    assert "Checkout is down" in told
    assert "Status changed" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "99"), "there is no incident 99"),
        (("show", "\udcff"), "neither a UUID nor a number"),
        (("create", " "), "title"),
        (("create", "x", "--label", "novalue"), "KEY:VALUE"),
        (
            ("create", "x", "--severity", "awful"),
            "there is no severity 'awful'; there are: critical, high, ",
        ),
    ],
)
async def test_what_cannot_be_is_said_in_one_line(
    setup: Setup, arguments: tuple[str, ...], said: str
) -> None:
    ended = await setup.run("incidents", *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert said in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr

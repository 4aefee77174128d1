"""Paging from a terminal: the commands, a running `serve`, and a simulated PagerTree."""

import json
from collections.abc import Iterator

import pytest

from tests.support.pagertree import API_KEY, SimulatedPagerTree, simulated_pagertree
from tests.support.program import Setup, embedded_setup
from tests.support.wait import eventually


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with embedded_setup(PAGERTREE_API_KEY=API_KEY) as setup:
        yield setup


async def test_a_person_pages_a_team_from_a_terminal_and_learns_how_it_ended(setup: Setup) -> None:
    async with simulated_pagertree() as pagertree, setup.running("serve") as program:
        server = await program.url()
        added = await setup.ask("integrations", "add", "acme", "--pagertree-url", pagertree.api_url)
        pagertree.simulator.change(
            webhook_url=f"{server}/webhooks/pagertree/{added['id']}",
            webhook_secret=added["webhook_secret"],
        )
        await setup.tell("directory", "sync")

        unknown = await setup.run("page", "--team", "Platfrom", "--title", "Down")
        assert unknown.returncode == 1
        assert "did you mean 'Platform'?" in unknown.stderr

        page = ("page", "--title", "Down", "--urgency", "high", "--wait", "--json")
        confirmed = await setup.run(*page, "--team", "Platform", "--severity", "critical")
        assert confirmed.returncode == 0, confirmed.stderr
        said = json.loads(confirmed.stdout)
        assert (said["status"], said["integration_name"]) == ("confirmed", "acme")
        (alert,) = pagertree.simulator.alerts()
        assert alert["urgency"] == "high"

        dropped = await setup.run(*page, "--team", "Night Watch")
        assert dropped.returncode == 4
        ended = json.loads(dropped.stdout)
        assert (ended["status"], ended["waits_because"]) == ("dropped", None)
        assert "nobody is on call" in ended["nobody_was_reached_because"]
        told = await setup.run(*page[:-1], "--team", "Night Watch", "--description", "d" * 20_001)
        assert "nobody is on call, or nobody acknowledged" in told.stdout
        assert "`pagersync why page " in told.stdout
        assert (told.stdout.count("was cut"), "was cut" in told.stderr) == (1, False)

        page_id = json.loads(dropped.stdout)["id"]
        why = (await setup.tell("why", "page", page_id)).splitlines()
        assert why[0].startswith("Night Watch was not paged: PagerTree dropped it")
        assert why[1] == "asked for it."
        asked = "The command line asked for a page to Night Watch (account acme): Down"
        assert any(asked in line for line in why)
        assert any("POST /alerts: 200 in" in line for line in why)
        assert max(map(len, why)) <= 100
        (root,) = (await setup.ask("why", "page", page_id))["roots"]
        assert (root["kind"], root["id"], root["status"]) == ("page", page_id, "dropped")
        nothing = await setup.run("why", "incident", "7")
        assert (nothing.returncode, "there is no incident 7" in nothing.stderr) == (1, True)

        assert await setup.ask("operations", "list") == []
        *_, first = await setup.ask("operations", "list", "--state", "done")
        again = await setup.run("operations", "redrive", first["id"])
        assert again.returncode == 1
        assert "done already" in again.stderr
        await the_key_is_refused_for_a_while(setup, pagertree)
        pagertree.simulator.change(webhooks="off")


async def the_key_is_refused_for_a_while(setup: Setup, pagertree: SimulatedPagerTree) -> None:
    """A page waits, says why at each place, and goes out when the key is entered again."""
    pagertree.simulator.change(key_refused=True)
    page = ("page", "--team", "Platform", "--title", "Later", "--wait", "--timeout-s", "2")
    waiting = await setup.run(*page)
    assert waiting.returncode == 3
    (listed,) = await setup.ask("operations", "list")
    assert listed["integration_name"] == "acme"
    assert " queued    acme  PagerTree refused" in await setup.tell("operations", "list")
    shown = await setup.tell("operations", "show", listed["id"])
    assert "integration_name     acme\n" in shown
    assert "to Platform (account acme): Later" in await setup.tell(
        "page", "--team", "Platform", "--title", "Later"
    )
    for said in (waiting.stderr, waiting.stdout, listed["waits_because"], shown):
        assert "PagerTree refused the API key of the account 'acme'" in said
        assert "pagersync integrations set-api-key acme" in said
    pagertree.simulator.change(key_refused=False)
    await setup.tell("integrations", "set-api-key", "acme")
    await eventually(lambda: setup.ask("operations", "list"), lambda rows: rows == [])


async def test_a_page_that_nobody_sends_yet_waits_and_can_be_canceled(setup: Setup) -> None:
    sent = await setup.run(
        *("page", "--team", "Platform", "--title", "Later", "--wait", "--timeout-s", "0", "--json")
    )
    assert sent.returncode == 3
    (queued,) = await setup.ask("operations", "list", "--state", "queued")
    await setup.tell("operations", "cancel", queued["id"])
    (canceled,) = await setup.ask("operations", "list")
    assert (canceled["id"], canceled["state"]) == (queued["id"], "canceled")

"""`pagersync doctor` in a terminal: what could keep somebody from being paged, and what to do."""

import json
from collections.abc import Iterator

import pytest

from tests.support.program import Setup, embedded_setup


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with embedded_setup() as setup:
        yield setup


async def test_it_lists_what_is_wrong_with_a_remedy_and_ends_with_exit_code_1(
    setup: Setup,
) -> None:
    told = await setup.run("doctor")
    assert told.returncode == 1
    lines = told.stdout.splitlines()
    assert lines[0] == ("CRITICAL  No PagerTree account is connected, so nobody can be paged.")
    assert lines[1] == "  -> pagersync integrations add NAME"
    shown = await setup.run("doctor", "--json")
    assert shown.returncode == 1
    found = json.loads(shown.stdout)
    assert "no_account" in [each["code"] for each in found]
    assert all(each["detail"] and each["remedy"] for each in found)
    levels = [each["level"] for each in found]
    assert levels == sorted(levels)


async def test_a_check_that_is_switched_off_is_named(setup: Setup) -> None:
    told = await setup.having(PAGERSYNC_UNPAGED_S="0").run("doctor")
    assert "PAGERSYNC_UNPAGED_S=0" in told.stdout


async def test_webhooks_that_became_nothing_are_listed_and_applied_again(setup: Setup) -> None:
    assert (await setup.run("deliveries", "list", "--state", "invalid")).stdout == (
        "There are none.\n"
    )
    assert (await setup.run("deliveries", "list", "--json")).stdout == "[]\n"
    again = await setup.run("deliveries", "replay", "--state", "dead")
    assert again.stdout == "Queued once more: 0.\n"

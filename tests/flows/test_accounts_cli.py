"""Accounts and workflows that are removed or disabled by command: said first, then asked about."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.program import Setup, embedded_setup

WORKFLOWS = 2
"""Default workflows that are on."""


@pytest.fixture(scope="module")
async def setup() -> AsyncIterator[Setup]:
    """Yield an installation with one account, for each test that may be the first, or alone."""
    with embedded_setup(PAGERTREE_API_KEY="planted-key") as setup:
        await setup.ask("integrations", "add", "acme", "--no-verify", "--default-team", "SRE")
        yield setup


async def test_what_follows_from_the_end_of_an_account_is_said_before_anything_is_done(
    setup: Setup,
) -> None:
    asked = await setup.run("integrations", "disable", "acme")
    assert asked.returncode == 1, "nobody said yes"
    assert "2 workflows are switched off" in asked.stdout
    assert "nobody is paged for new incidents" in asked.stdout
    assert sum(row["enabled"] for row in await setup.ask("workflows", "list")) == WORKFLOWS

    await setup.tell("integrations", "disable", "acme", "--yes")
    assert not any(row["enabled"] for row in await setup.ask("workflows", "list"))
    again = await setup.tell("integrations", "enable", "acme")
    assert "2 workflows are switched on again" in again
    assert "nobody is paged" in (await setup.run("integrations", "remove", "acme")).stdout
    (listed,) = await setup.ask("integrations", "list")
    assert (listed["enabled"], listed["default"]) == (True, True)


async def test_a_workflow_is_removed_after_a_question(setup: Setup) -> None:
    slug = next(row["slug"] for row in await setup.ask("workflows", "list") if row["enabled"])
    asked = await setup.run("workflows", "remove", slug)
    assert asked.returncode == 1
    assert "nobody is paged for new incidents" in asked.stdout
    assert slug in [row["slug"] for row in await setup.ask("workflows", "list")]
    assert f"{slug} is removed." in await setup.tell("workflows", "remove", slug, "--yes")
    assert slug not in [row["slug"] for row in await setup.ask("workflows", "list")]


async def test_another_account_is_made_the_default_by_command(setup: Setup) -> None:
    await setup.ask("integrations", "add", "beta", "--no-verify")
    await setup.tell("integrations", "default", "beta")
    rows = {row["name"]: row["default"] for row in await setup.ask("integrations", "list")}
    assert rows["beta"] is True
    assert sum(rows.values()) == 1


async def test_doctor_names_the_command_that_updates_workflows_of_an_earlier_version(
    setup: Setup, tmp_path: Path
) -> None:
    await setup.ask("integrations", "add", "old", "--no-verify", "--default-team", "SRE")
    file = tmp_path / "workflows.yml"
    lines = (await setup.tell("workflows", "export")).splitlines()
    file.write_text("\n".join(line for line in lines if "skip_if_alert_pages" not in line))
    await setup.tell("workflows", "apply", str(file), "--yes")
    command = ("workflows", "update-defaults", "old")
    assert f"-> pagersync {' '.join(command)}\n" in (await setup.run("doctor")).stdout
    asked = await setup.run(*command)
    assert (asked.returncode, "Change this?" in asked.stdout) == (1, True)
    assert "skip_if_alert_pages: true" in await setup.tell(*command, "--yes")
    assert " ".join(command) not in (await setup.run("doctor")).stdout
    assert "lack nothing" in await setup.tell(*command)

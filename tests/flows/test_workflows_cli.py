"""Workflows from a terminal, and workflows as code."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pagertree import API_KEY, simulated_pagertree
from tests.support.program import Setup, embedded_setup

FILE = """
workflows:
  - slug: note
    name: Note
    trigger_params: {trigger_type: simple}
    tasks:
      - task_params: {task_type: print, message: "{{ context.word }}"}
"""


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with embedded_setup(PAGERTREE_API_KEY=API_KEY) as setup:
        yield setup


async def test_a_file_is_planned_asked_about_and_applied(setup: Setup, tmp_path: Path) -> None:
    file = tmp_path / "workflows.yaml"
    file.write_text(FILE)
    refused = await setup.run("workflows", "apply", str(file))
    assert refused.returncode == 1, "nobody said yes"
    assert "+ create     note" in refused.stdout
    assert await setup.ask("workflows", "list") == []

    assert (await setup.tell("workflows", "apply", str(file), "--yes")).endswith("Applied.\n")
    again = await setup.tell("workflows", "apply", str(file))
    assert again == "= unchanged  note\nNothing to do.\n"
    (listed,) = await setup.ask("workflows", "list")
    assert listed["integration_name"] is None
    assert "on   note  (by hand)  every account\n" in await setup.tell("workflows", "list")
    assert (listed["slug"], listed["enabled"], listed["default"]) == ("note", True, False)

    await setup.tell("workflows", "disable", "note")
    shown = await setup.ask("workflows", "show", "note")
    assert (shown["enabled"], shown["tasks"][0]["name"]) == (False, "Print")
    off = await setup.run("workflows", "run", "note")
    assert off.returncode == 1
    assert "is switched off" in off.stderr
    await setup.tell("workflows", "enable", listed["id"])
    ran = await setup.ask("workflows", "run", "note", "--context", '{"word": "hello"}')
    assert ran["status"] == "queued"
    assert "message: '{{ context.word }}'" in await setup.tell("workflows", "show", "note")

    written = tmp_path / "written.yaml"
    await setup.tell("workflows", "export", str(written))
    assert written.read_text() == await setup.tell("workflows", "export")
    assert "Nothing to do." in await setup.tell("workflows", "apply", str(written), "--prune")

    file.write_text("workflows: []\n")
    pruned = await setup.tell("workflows", "apply", str(file), "--prune", "--yes")
    assert "- remove     note" in pruned
    assert await setup.tell("workflows", "list") == "There are none.\n"


async def test_what_is_exported_can_be_piped_into_apply(setup: Setup, tmp_path: Path) -> None:
    def apply(*options: str, text: str = FILE) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pagersync", "workflows", "apply", "-", *options],
            env=setup.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    nobody = apply()
    assert nobody.returncode == 1
    assert "add --yes" in nobody.stderr
    assert apply("--yes").stdout.endswith("Applied.\n")
    assert "Nothing to do." in apply("--yes", text=await setup.tell("workflows", "export")).stdout

    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("workflows:\n  - slug: a\n    name: A\n    wait: soon\n")
    refused = await setup.run("workflows", "apply", str(wrong), "--yes")
    assert refused.returncode == 1
    assert "line 4, workflows/0/wait: 'soon' is no duration" in refused.stderr
    missing = await setup.run("workflows", "apply", str(tmp_path / "none.yaml"))
    assert "none.yaml cannot be read" in missing.stderr


async def test_an_account_gets_default_targets_and_its_workflow_is_switched_on(
    setup: Setup, tmp_path: Path
) -> None:
    async with simulated_pagertree() as pagertree:
        await setup.ask("integrations", "add", "acme", "--pagertree-url", pagertree.api_url)
        await setup.tell("directory", "sync")
        name = pagertree.simulator.directory.teams[0].name
    defaults = [each for each in await setup.ask("workflows", "list") if each["default"]]
    off, restarts = [each for each in defaults if not each["enabled"]]
    assert restarts["off_reason"] is None
    assert "default-targets" in off["off_reason"]
    told = await setup.tell("workflows", "list")
    assert off["off_reason"] in told
    assert f"off  {off['slug']}  ({', '.join(off['triggers'])})  acme\n" in told
    assert (await setup.ask("workflows", "show", off["slug"]))["integration_name"] == "acme"

    set_targets = ("integrations", "default-targets", "acme")
    nobody = await setup.run(*set_targets)
    assert "at least one" in nobody.stderr
    unknown = await setup.run(*set_targets, "--team", "Nobody")
    assert "no team is called 'Nobody': there are " in unknown.stderr
    assert repr(name) in unknown.stderr
    said = await setup.tell(*set_targets, "--team", name)
    assert f"`pagersync workflows enable {off['slug']}` switches it on" in said
    await runs_name_the_account(setup, name, tmp_path / "note.yaml")
    await setup.tell("workflows", "enable", off["slug"])
    (on,) = [each for each in await setup.ask("workflows", "list") if each["id"] == off["id"]]
    assert (on["enabled"], on["off_reason"]) == (True, None)
    assert "still off" not in await setup.tell(*set_targets, "--team", name)


async def runs_name_the_account(setup: Setup, team: str, file: Path) -> None:
    file.write_text(FILE)
    await setup.tell("workflows", "apply", str(file), "--yes")
    page = await setup.ask("page", "--team", team, "--title", "Down")
    ran = await setup.ask("workflows", "run", "note", "--page", page["id"])
    listed = await setup.ask("workflows", "runs", "--status", "queued")
    assert {row["id"]: row["integration_name"] for row in listed}[ran["id"]] == "acme"
    assert "  Note  (acme)\n" in await setup.tell("workflows", "runs", "--status", "queued")


async def test_an_account_is_not_added_with_a_default_target_that_pagertree_does_not_have(
    setup: Setup,
) -> None:
    async with simulated_pagertree() as pagertree:
        name = pagertree.simulator.directory.teams[0].name
        add = ("integrations", "add", "second", "--pagertree-url", pagertree.api_url)
        wrong = await setup.run(*add, "--default-team", f"{name}x")
        assert wrong.returncode == 1
        assert f"no team is called '{name}x': did you mean '{name}'?" in wrong.stderr
        names = [each["name"] for each in await setup.ask("integrations", "list")]
        assert "second" not in names
        right = await setup.tell(*add, "--default-team", name)
        assert "not asked" not in right
        nobody = await setup.run(*add[:2], "third", *add[3:], "--default-team", "Nobody")
        assert repr(name) in nobody.stderr
        unlisted = ("integrations", "default-targets", "second", "--team", "tem_unlisted")
        assert "note: the team tem_unlisted is not in the directory" in await setup.tell(*unlisted)
    unasked = ("integrations", "add", "later", "--no-verify", "--default-team", f"{name}x")
    assert "`pagersync integrations default-targets later`" in await setup.tell(*unasked)

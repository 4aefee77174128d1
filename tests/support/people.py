"""What people change, drawn from a seed: PagerTree admins, colleagues, integrators, operators.

Each move is what somebody does through PagerTree or through the API. A refusal (4xx) tells them, so
it is fine; an answer of 500 is not, and neither is 503.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final

from pagersync.http import AsyncClient, Response
from pagersync.simulator.directory import Team
from tests.support.pagertree import API_KEY, SimulatedPagerTree

LONG: Final = "Everything is on fire " * 2_000
TEXTS: Final = (
    "Checkout is down",
    LONG,
    "{{ incident.title }} {% if",
    "nul \x00 and half a pair",
    "e\u0301" * 600,
    "a, comma: a colon",
)
TEMPLATES: Final = (
    "{{ incident.title }}",
    "{{ incident.summary }}",
    "{{ incident.labels.team }} {{ incident.title }}",
    "{{ incident.summary | default: 'nothing' }}",
    "{% for i in (1..4000) %}{{ incident.title }} {% endfor %}",
    "{{ incident.title | divided_by: 0 }}",
    "{{ context.whatever }}",
)
LABELS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"team": "a, b: c"},
    {"k" * 150: "v" * 400},
    {"number": 3, "yes": True, "none": None},
    {f"label{number}": "x" for number in range(80)},
)


@dataclass
class World:
    """An account in a simulated PagerTree, the service beside it, and people who change both.

    Attributes:
        told: what was done, in order, with the status of the answer.
        accounts: ids of connected accounts, the first one first.
    """

    rng: Random
    api: AsyncClient
    pagertree: SimulatedPagerTree
    accounts: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def call(self, method: str, path: str, kind: str = "", **attributes: Any) -> Response:
        """Make a request with these attributes; note it."""
        body = {"data": {"type": kind, "attributes": attributes}} if kind else None
        answer = await self.api.request(method, path, json=body)
        self.told.append(f"{method} {path} {str(attributes)[:200]} -> {answer.status_code}")
        assert answer.status_code not in (500, 503), (self.told, answer.text)
        return answer

    async def connect(self, name: str, **attributes: Any) -> str:
        """Connect the account; return its id, which is empty when the answer was a refusal."""
        answer = await self.call(
            "POST",
            "/v1/integrations",
            "integrations",
            name=name,
            api_key=API_KEY,
            pagertree_url=self.pagertree.api_url,
            **attributes,
        )
        if answer.status_code != 201:
            return ""
        made = answer.json()["data"]
        self.accounts.append(made["id"])
        self.pagertree.simulator.change(
            webhook_url=made["attributes"]["webhook_url"],
            webhook_secret=made["attributes"]["webhook_secret"],
        )
        return str(made["id"])

    async def workflows(self) -> list[dict[str, Any]]:
        """Return the workflows that page."""
        found = (await self.api.get("/v1/workflows?page[size]=50")).json()["data"]
        return [one for one in found if "create_pagertree_alert" in str(one["attributes"])]

    async def one_workflow(self) -> str | None:
        """Return the path of one of the workflows that page, if there is one."""
        workflows = await self.workflows()
        return f"/v1/workflows/{self.rng.choice(workflows)['id']}" if workflows else None

    async def one_task(self) -> tuple[str, dict[str, Any]] | None:
        """Return the path and the parameters of a task that pages, if there is one."""
        if (path := await self.one_workflow()) is None:
            return None
        tasks = (await self.api.get(f"{path}/workflow_tasks")).json()["data"]
        if not tasks:
            return None
        task = tasks[0]
        return f"/v1/workflow_tasks/{task['id']}", task["attributes"]["task_params"]

    async def change_task(self, **params: Any) -> None:
        """Set parameters of the task that pages."""
        if (found := await self.one_task()) is not None:
            path, kept = found
            await self.call("PUT", path, "workflow_tasks", task_params={**kept, **params})

    async def change_workflow(self, **attributes: Any) -> None:
        """Change one of the workflows that page."""
        if (path := await self.one_workflow()) is not None:
            await self.call("PUT", path, "workflows", **attributes)

    def set_teams(self, teams: list[Team]) -> None:
        """Let PagerTree have these teams, and nothing else of them."""
        directory = self.pagertree.simulator.directory
        gone = [team for team in directory.teams if team not in teams]
        directory.teams = tuple(teams)
        for team in gone:
            for id_ in (team.id, team.prefix_id):
                directory._by_id.pop(id_, None)  # noqa: SLF001 - an admin's change, for tests only
        for team in teams:
            directory._by_id |= {team.id: team, team.prefix_id: team}  # noqa: SLF001


async def rename_team(world: World) -> None:
    teams = list(world.pagertree.simulator.directory.teams)
    if teams:
        place = world.rng.randrange(len(teams))
        teams[place] = replace(teams[place], name=f"Renamed {world.rng.randint(1, 99)}")
        world.set_teams(teams)


async def remove_team(world: World) -> None:
    teams = list(world.pagertree.simulator.directory.teams)
    if teams:
        world.set_teams(world.rng.sample(teams, len(teams) - 1))


async def name_a_team_as_another(world: World) -> None:
    teams = list(world.pagertree.simulator.directory.teams)
    if len(teams) > 1:
        teams[1] = replace(teams[1], name=teams[0].name)
        world.set_teams(teams)


async def remove_all_teams(world: World) -> None:
    world.set_teams([])


async def sync(world: World) -> None:
    for account in world.accounts:
        await world.call("POST", f"/v1/integrations/{account}/sync")


async def change_title(world: World) -> None:
    await world.change_task(title=world.rng.choice(TEMPLATES))


async def change_description(world: World) -> None:
    await world.change_task(description=world.rng.choice(TEMPLATES))


async def name_targets(world: World) -> None:
    teams = world.pagertree.simulator.directory.teams
    names = [team.name for team in teams] + ["Nobody has this name"]
    chosen = world.rng.sample(names, world.rng.randint(1, min(3, len(names))))
    await world.change_task(teams=[{"name": name} for name in chosen])


async def name_a_fallback(world: World) -> None:
    names = [team.name for team in world.pagertree.simulator.directory.teams] + ["Nobody"]
    fallback = {"teams": [{"name": world.rng.choice(names)}]}
    await world.change_task(task_type="page_pagertree", fallback=fallback)


async def limit_runs(world: World) -> None:
    await world.change_workflow(runs_per_minute_max=1)
    await declare(world)
    await declare(world)


async def switch_off(world: World) -> None:
    await world.change_workflow(enabled=False)


async def switch_on(world: World) -> None:
    await world.change_workflow(enabled=True)


async def remove_workflow(world: World) -> None:
    if (path := await world.one_workflow()) is not None:
        await world.call("DELETE", path)


async def listen_for_something_else(world: World) -> None:
    """Let a workflow for incidents listen for another trigger; one for alerts is left alone."""
    path = await world.one_workflow()
    if path is not None and "alert_created" not in (await world.api.get(path)).text:
        trigger = world.rng.choice(("incident_created", "incident_started", "severity_updated"))
        params = {"trigger_type": "incident", "triggers": [trigger]}
        await world.call("PUT", path, "workflows", trigger_params=params)


async def let_a_task_do_nothing(world: World) -> None:
    if (found := await world.one_task()) is None:
        return
    if world.rng.random() < 0.5:
        await world.call("PUT", found[0], "workflow_tasks", enabled=False)
    else:
        await world.call("DELETE", found[0])


async def enable_account(world: World) -> None:
    account = world.rng.choice(world.accounts)
    await world.call("PATCH", f"/v1/integrations/{account}", "integrations", enabled=True)


async def make_default(world: World) -> None:
    account = world.rng.choice(world.accounts)
    await world.call("PATCH", f"/v1/integrations/{account}", "integrations", is_default=True)


async def let_pagertree_begin_with_nothing(world: World) -> None:
    """Let PagerTree take alerts, and page nobody for them."""
    world.pagertree.simulator.change(queued_s=3600.0)


async def leave_nobody_on_call(world: World) -> None:
    world.set_teams(
        [replace(team, on_call=()) for team in world.pagertree.simulator.directory.teams]
    )


async def disable_account(world: World) -> None:
    account = world.rng.choice(world.accounts)
    await world.call("PATCH", f"/v1/integrations/{account}", "integrations", enabled=False)


async def remove_account(world: World) -> None:
    account = world.rng.choice(world.accounts)
    await world.call("DELETE", f"/v1/integrations/{account}")


async def connect_another(world: World) -> None:
    if len(world.accounts) < 3:
        await world.connect(f"account {len(world.accounts) + 1}")


async def remove_default_targets(world: World) -> None:
    account = world.rng.choice(world.accounts)
    await world.call("PATCH", f"/v1/integrations/{account}", "integrations", default_targets={})


async def revoke_key(world: World) -> None:
    world.pagertree.simulator.change(key_refused=True)


async def declare(world: World) -> Response:
    """Declare an incident with odd texts, as an integrator does."""
    attributes: dict[str, Any] = {"title": world.rng.choice(TEXTS)}
    if world.rng.random() < 0.5:
        attributes["summary"] = world.rng.choice(TEXTS)
    attributes["labels"] = world.rng.choice(LABELS)
    return await world.call("POST", "/v1/incidents", "incidents", **attributes)


async def page_for_alerts(world: World) -> None:
    """Make a workflow that pages for each alert."""
    names = [team.name for team in world.pagertree.simulator.directory.teams]
    teams = [{"name": world.rng.choice(names)}] if names else []
    task = {"task_type": "create_pagertree_alert", "title": "{{ alert.summary }}", "teams": teams}
    await world.call(
        "POST",
        "/v1/workflows",
        "workflows",
        name="Page for alerts",
        trigger_params={"trigger_type": "alert", "triggers": ["alert_created"]},
        tasks=[{"task_params": task}],
    )


async def raise_alert(world: World) -> Response:
    """Ask for an alert that pages teams, as an integrator does; some of them do not exist."""
    names = [team.name for team in world.pagertree.simulator.directory.teams] + ["Nobody"]
    chosen = world.rng.sample(names, world.rng.randint(1, min(2, len(names))))
    return await _alert(world, teams=[{"name": name} for name in chosen])


async def raise_alert_for_a_workflow(world: World) -> Response:
    """Ask for an alert that pages nobody by itself: a workflow is to page for it."""
    return await _alert(world)


async def _alert(world: World, **attributes: Any) -> Response:
    attributes["summary"] = world.rng.choice(TEXTS)
    attributes["description"] = world.rng.choice(TEXTS)
    attributes["labels"] = [
        {"key": key, "value": str(value)} for key, value in world.rng.choice(LABELS).items()
    ]
    return await world.call("POST", "/v1/alerts", "alerts", **attributes)


Move = Callable[[World], Awaitable[object]]

MOVES: Final[tuple[Move, ...]] = (
    *(rename_team, remove_team, name_a_team_as_another, remove_all_teams, sync, sync),
    *(change_title, change_description, name_targets, name_targets, name_a_fallback),
    *(limit_runs, switch_off, switch_on),
    *(disable_account, enable_account, remove_account, connect_another, make_default),
    *(remove_default_targets, revoke_key),
    *(let_pagertree_begin_with_nothing, leave_nobody_on_call),
)
ENDING: Final[tuple[Move, ...]] = (
    *(remove_workflow, listen_for_something_else, let_a_task_do_nothing),
)
"""After these it may be that no workflow pages: for incidents `doctor` says so, for alerts not."""

LATE: Final[tuple[Move, ...]] = (
    *(switch_off, remove_workflow, let_a_task_do_nothing, disable_account, remove_account),
    *(remove_team, revoke_key, remove_default_targets, change_title, sync),
)
"""What people do just after an incident was declared or an alert was raised."""


async def play(world: World, moves: int, possible: tuple[Move, ...] = MOVES) -> None:
    """Let people do something, so many times."""
    for _ in range(moves):
        move = world.rng.choice(possible)
        world.told.append(move.__name__)
        await move(world)

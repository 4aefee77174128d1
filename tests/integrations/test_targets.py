"""Who is meant: every way to name a target, and what is said about those that fit nobody."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from pagersync.database.engine import Sessions
from pagersync.errors import ManyInvalidError
from pagersync.integrations import service
from pagersync.integrations.directory import Target, TargetReference, resolve_targets
from pagersync.integrations.directory_models import DirectoryKind
from pagersync.integrations.directory_store import Listed, write_listed
from pagersync.integrations.targets import Known, unknown
from pagersync.pagertree.resources import RemoteRouter, RemoteTeam, RemoteUser
from tests.integrations.conftest import kept

Resolve = Callable[..., Awaitable[list[Target]]]


def ref(id: str | None = None, name: str | None = None) -> TargetReference:  # noqa: A002 - its name
    return TargetReference(id=id, name=name)


TEAMS = {1: "SRE", 2: "Checkout", 3: "Ops", 4: "ops ", 5: "Billing", 6: "Équipe"}
USERS = {
    1: ("Olivia Ortiz", "Olivia@acme.test", "olivia@private.test"),
    2: ("Ben Okafor", "ben@acme.test"),
    3: ("Ben Okafor", "ben.two@acme.test"),
    4: ("Gone Girl", "gone@acme.test"),
}
ROUTERS = {1: "Business Hours"}


def listed(teams: dict[int, str], users: dict[int, tuple[str, ...]]) -> Listed:
    """Return what PagerTree could list; ids are made of the numbers."""
    return {
        DirectoryKind.TEAM: [RemoteTeam(f"01TEAM{n}", f"tem_{n}", teams[n]) for n in teams],
        DirectoryKind.USER: [
            RemoteUser(f"01USER{n}", f"usr_{n}", name, emails[0], tuple(emails))
            for n, (name, *emails) in users.items()
        ],
        DirectoryKind.ROUTER: [
            RemoteRouter(f"01ROUTER{n}", f"rtr_{n}", ROUTERS[n]) for n in ROUTERS
        ],
    }


async def add_account(sessions: Sessions, name: str) -> UUID:
    async with sessions.begin() as session:
        return (await service.add_integration(session, name=name)).integration.id


async def write(sessions: Sessions, account: UUID, what: Listed) -> None:
    async with sessions.begin() as session:
        await write_listed(session, account, what, datetime.now(UTC))


@pytest.fixture
async def account(sessions: Sessions) -> UUID:
    """Return an account with namesakes, and with a team and a user that are missing."""
    account = await add_account(sessions, "acme")
    await write(sessions, account, listed(TEAMS, USERS))
    teams, users = {**TEAMS, 7: TEAMS[5]}, dict(USERS)
    del teams[5], users[4]
    await write(sessions, account, listed(teams, users))
    return account


@pytest.fixture
def resolve(sessions: Sessions, account: UUID) -> Resolve:
    """Return `resolve_targets` for the account."""

    async def resolve(**references: Any) -> list[Target]:
        async with sessions() as session:
            return await resolve_targets(session, account, **references)

    return resolve


@pytest.mark.parametrize(
    ("kind", "reference", "prefix_id"),
    [
        ("teams", ref(name="SRE"), "tem_1"),
        ("teams", ref(name="  sre\n"), "tem_1"),
        ("teams", ref(name="ÉQUIPE"), "tem_6"),
        ("teams", ref(name="E\u0301quipe"), "tem_6"),
        ("teams", ref(id="tem_1"), "tem_1"),
        ("teams", ref(id=" 01TEAM1 "), "tem_1"),
        ("teams", ref(id="tem_1", name="sre"), "tem_1"),
        ("teams", ref(id="tem_4", name="Ops"), "tem_4"),
        ("teams", ref(id="", name="SRE"), "tem_1"),
        ("teams", ref(id="tem_1", name=" "), "tem_1"),
        ("teams", ref(name="Billing"), "tem_7"),
        ("users", ref(name="olivia ortiz"), "usr_1"),
        ("users", ref(name="OLIVIA@acme.test"), "usr_1"),
        ("users", ref(name="olivia@private.test"), "usr_1"),
        ("users", ref(name="ben.two@acme.test"), "usr_3"),
        ("users", ref(id="usr_2", name="ben@acme.test"), "usr_2"),
        ("routers", ref(name="business hours"), "rtr_1"),
        ("routers", ref(id="rtr_1"), "rtr_1"),
    ],
)
async def test_every_way_to_name_a_target_finds_it(
    resolve: Resolve, kind: str, reference: TargetReference, prefix_id: str
) -> None:
    (target,) = await resolve(**{kind: [reference]})
    assert (f"{target.kind}s", target.prefix_id) == (kind, prefix_id)


async def test_a_target_says_what_pagertree_has_to_know(resolve: Resolve) -> None:
    assert await resolve(teams=[ref(name="sre")]) == [
        Target(DirectoryKind.TEAM, "01TEAM1", "tem_1", "SRE")
    ]


async def test_the_id_that_the_api_shows_finds_its_row(
    resolve: Resolve, sessions: Sessions
) -> None:
    own = (await kept(sessions))["tem_1"].id
    for text in (str(own), str(own).upper()):
        (target,) = await resolve(teams=[ref(id=text)])
        assert target.prefix_id == "tem_1"


@pytest.mark.parametrize(
    ("kind", "reference", "detail"),
    [
        (
            "teams",
            ref(name="OPS"),
            "2 teams are called 'OPS': give the id, one of tem_3, tem_4",
        ),
        (
            "users",
            ref(name="Ben Okafor"),
            "2 users are called 'Ben Okafor': give the id, one of usr_2, usr_3",
        ),
        ("teams", ref(name="SER"), "no team is called 'SER': did you mean 'SRE'?"),
        ("teams", ref(name="chekout"), "no team is called 'chekout': did you mean 'Checkout'?"),
        (
            "users",
            ref(name="olivia@acme.tets"),
            "no user is called 'olivia@acme.tets': did you mean 'olivia@acme.test'",
        ),
        ("teams", ref(name="zzzz"), "no team is called 'zzzz': there are "),
        ("teams", ref(name="tem_1"), "no team is called 'tem_1'"),
        ("teams", ref(id="SRE"), "PagerTree lists no team with the id 'SRE' so far"),
        ("teams", ref(id="usr_1"), "PagerTree lists no team with the id 'usr_1' so far"),
        ("teams", ref(), "name the team: give an id or a name"),
        ("users", ref(id=" ", name=""), "name the user: give an id or a name"),
        ("users", ref(name="gone girl"), "PagerTree no longer lists the user 'Gone Girl' (usr_4)"),
        ("users", ref(id="usr_4"), "PagerTree no longer lists the user 'Gone Girl' (usr_4)"),
        ("teams", ref(id="tem_5"), "PagerTree no longer lists the team 'Billing' (tem_5)"),
        ("routers", ref(id="a\x00"), "PagerTree lists no router with the id 'a\\x00'"),
        ("routers", ref(name="\ud800"), "no router is called '\\ud800'"),
    ],
)
async def test_what_fits_nobody_or_several_is_an_error_that_helps(
    resolve: Resolve, kind: str, reference: TargetReference, detail: str
) -> None:
    with pytest.raises(ManyInvalidError) as refused:
        await resolve(**{kind: [reference]})
    (problem,) = refused.value.problems
    assert problem.detail.startswith(detail)
    assert problem.pointer == f"/data/attributes/{kind}/0"


async def test_every_wrong_reference_is_named_with_its_place(resolve: Resolve) -> None:
    with pytest.raises(ManyInvalidError) as refused:
        await resolve(
            teams=[ref(name="SRE"), ref(name="nobody"), ref(name="ops")],
            users=[ref(id="usr_1"), ref(id="tem_9")],
            routers=[ref(name="weekend")],
        )
    assert [problem.pointer for problem in refused.value.problems] == [
        "/data/attributes/teams/1",
        "/data/attributes/teams/2",
        "/data/attributes/users/1",
        "/data/attributes/routers/0",
    ]


async def test_the_id_wins_and_an_outdated_name_is_a_note(
    sessions: Sessions, account: UUID
) -> None:
    notes: list[str] = []
    async with sessions() as session:
        (target,) = await resolve_targets(
            session, account, teams=[ref(id="tem_1", name="Ops")], notes=notes
        )
    assert target.name == "SRE"
    assert notes == ["the team 'Ops' is called 'SRE' now"]


async def test_an_unknown_id_is_taken_as_it_is_until_the_directory_can_be_trusted(
    sessions: Sessions, account: UUID
) -> None:
    notes: list[str] = []
    unlisted = ref(id="01HZZZZZZZZZZZZZZZZZZZZZZZ", name="Night")
    async with sessions() as session:
        (target,) = await resolve_targets(session, account, teams=[unlisted], notes=notes)
    assert target == Target(DirectoryKind.TEAM, "01HZZZZZZZZZZZZZZZZZZZZZZZ", None, "Night")
    assert len(notes) == 1
    now = datetime.now(UTC)
    async with sessions.begin() as session:
        await service.change_integration(session, account, directory_synced_at=now)
    async with sessions() as session:
        with pytest.raises(ManyInvalidError):
            await resolve_targets(session, account, teams=[unlisted])
    async with sessions.begin() as session:
        await service.change_integration(session, account, directory_error="PagerTree is away")
    async with sessions() as session:
        assert await resolve_targets(session, account, teams=[unlisted]) == [target]


async def test_references_to_one_target_are_one_target(resolve: Resolve) -> None:
    targets = await resolve(
        teams=[ref(name="sre"), ref(id="tem_2"), ref(id="tem_1"), ref(name="SRE")],
        users=[ref(name="olivia@acme.test"), ref(id="usr_1")],
    )
    assert [target.prefix_id for target in targets] == ["tem_1", "tem_2", "usr_1"]


async def test_nothing_named_is_nobody(resolve: Resolve) -> None:
    assert await resolve() == []


@pytest.mark.usefixtures("account")
async def test_another_account_has_another_directory(sessions: Sessions) -> None:
    other = await add_account(sessions, "other")
    async with sessions() as session:
        with pytest.raises(ManyInvalidError) as refused:
            await resolve_targets(session, other, teams=[ref(name="SRE"), ref(id="platform")])
    assert [problem.detail for problem in refused.value.problems] == [
        "no teams are known: run `pagersync directory sync`"
    ] * 2


async def test_at_most_five_are_offered(sessions: Sessions, account: UUID) -> None:
    teams = dict.fromkeys(range(10, 19), "twin")
    teams |= {number: f"night {number}" for number in range(20, 29)}
    await write(sessions, account, listed(teams, {}))
    async with sessions() as session:
        with pytest.raises(ManyInvalidError) as refused:
            await resolve_targets(session, account, teams=[ref(name="twin"), ref(name="night")])
    ambiguous, unknown = refused.value.problems
    assert ambiguous.detail.startswith("9 teams are called 'twin'")
    assert (ambiguous.detail.count("tem_"), unknown.detail.count("night ")) == (5, 5)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["Payments"], "there is 'Payments'; `pagersync directory sync`"),
        (
            [f"Team {letter}" for letter in "GFEDCBA"],
            "there are 'Team A', 'Team B', 'Team C', 'Team D', 'Team E' and 2 more; `pagersync",
        ),
    ],
)
def test_a_name_that_is_like_no_other_is_answered_with_what_there_is(
    names: list[str], said: str
) -> None:
    known = Known(names, None, None)
    error = unknown(DirectoryKind.TEAM, ref(name="zzzz"), known, "/data")
    assert error.detail.startswith(f"no team is called 'zzzz': {said}")

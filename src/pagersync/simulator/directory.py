"""Whom alerts can be sent to: the teams, people and routers of the simulated account.

An account user is a person's place in the account, and what is paged; a user is the person. Which
prefix the id of an account user has is not documented; examples for routers show `usr_`, and so
do the ids of people in webhooks, so that is what is assumed.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pagersync.simulator.account import Account, make_account, prefixed_id, seeded, ulid

UNSTAFFED_TEAM = "Night Watch"
"""The team that nobody is on call for."""

_MADE_AT = datetime(2025, 3, 3, 10, 0, tzinfo=UTC)
_MEMBERS = 3
_ROUTERS = ("Business Hours", "Everything Else")


@dataclass(frozen=True, slots=True)
class AccountUser:
    """A person's place in the account; `user_id` and `user_prefix_id` are the person's own."""

    id: str
    prefix_id: str
    name: str
    email: str
    user_id: str
    user_prefix_id: str

    @property
    def on_call(self) -> tuple["AccountUser", ...]:
        """Who is paged: the person, always."""
        return (self,)


@dataclass(frozen=True, slots=True)
class Team:
    """A team; `on_call` is empty when nobody is."""

    id: str
    prefix_id: str
    name: str
    members: tuple[AccountUser, ...]
    on_call: tuple[AccountUser, ...]


@dataclass(frozen=True, slots=True)
class Router:
    """A router, which in this account always leads to the same team."""

    id: str
    prefix_id: str
    name: str
    team: Team

    @property
    def on_call(self) -> tuple[AccountUser, ...]:
        """Who is paged: whoever is on call in its team."""
        return self.team.on_call


Destination = Team | Router | AccountUser


class Directory:
    """The account with everything that an alert can be sent to.

    Attributes:
        account: Its ids, as webhooks show them.
        account_users: All people; the first is an administrator, and whom the API keys belong to.
        teams: All teams.
        routers: All routers.
    """

    def __init__(self, seed: int, *, same_name_teams: bool) -> None:
        self.account = make_account(seeded(seed))
        rng = seeded(seed, "directory")
        self.account_users = tuple(_make_people(rng, self.account))
        self.teams = tuple(_make_teams(rng, self.account, self.account_users, same_name_teams))
        self.routers = tuple(
            Router(ulid(rng, _MADE_AT), prefixed_id(rng, "rtr"), name, team)
            for name, team in zip(_ROUTERS, self.teams, strict=False)
        )
        self._by_id: dict[str, Destination] = {}
        things: tuple[Destination, ...] = (*self.account_users, *self.teams, *self.routers)
        for thing in things:
            self._by_id |= {thing.id: thing, thing.prefix_id: thing}

    def find(self, id_: str) -> Destination | None:
        """Return what has this id, which may be a ULID or a prefixed one."""
        return self._by_id.get(id_)

    def team(self, name: str) -> Team:
        """Return the first team with this name.

        Raises:
            StopIteration: there is none.
        """
        return next(team for team in self.teams if team.name == name)


def _make_people(rng: random.Random, account: Account) -> list[AccountUser]:
    return [
        AccountUser(
            id=ulid(rng, _MADE_AT),
            prefix_id=user.id,
            name=user.name,
            email=user.email,
            user_id=ulid(rng, _MADE_AT),
            user_prefix_id=prefixed_id(rng, "usr"),
        )
        for user in account.users
    ]


def _make_teams(
    rng: random.Random,
    account: Account,
    people: Sequence[AccountUser],
    same_name_teams: bool,  # noqa: FBT001 - an option of the account, handed on
) -> list[Team]:
    """Make the account's teams, and after them those that the options ask for."""
    named = [(team.id, team.name) for team in account.teams]
    named.append((prefixed_id(rng, "tem"), UNSTAFFED_TEAM))
    if same_name_teams:
        named.append((prefixed_id(rng, "tem"), account.teams[0].name))
    teams = []
    for place, (prefix_id, name) in enumerate(named):
        members = tuple(people[(place + step) % len(people)] for step in range(_MEMBERS))
        on_call = () if name == UNSTAFFED_TEAM else members[:1]
        teams.append(Team(ulid(rng, _MADE_AT), prefix_id, name, members, on_call))
    return teams

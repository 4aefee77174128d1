"""The PagerTree account that a simulated alert belongs to: its ids, teams and people."""

import random
import string
from dataclasses import dataclass
from datetime import UTC, datetime

_ID_ALPHABET = string.ascii_letters + string.digits + "-_"
_ID_LENGTH = 14
_ULID_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ACCOUNT_MADE_AT = datetime(2025, 3, 3, 9, 30, tzinfo=UTC)

_TEAM_NAMES = ("Platform", "Payments", "Data", "Mobile", "SRE")
_USER_NAMES = (
    "Ana Ribeiro",
    "Bo Lindqvist",
    "Chidi Eze",
    "Dagny Voss",
    "Élodie Martin",
    "Farid Haddad",
    "Grace Okafor",
    "Hiro Tanaka",
)


@dataclass(frozen=True, slots=True)
class Team:
    """A team that alerts are routed to."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class User:
    """A person who is on call."""

    id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Account:
    """One account: `id` is the v3 form (`acc_...`), `ulid` is the id of the same account in v4."""

    id: str
    ulid: str
    integration_id: str
    integration_name: str
    teams: tuple[Team, ...]
    users: tuple[User, ...]


def seeded(*parts: object) -> random.Random:
    """Give a generator whose draws are the same for the same parts, on every machine."""
    seed = ":".join(str(part) for part in parts)
    return random.Random(seed)  # noqa: S311 - simulated lives must repeat; nothing secret is drawn


def make_account(rng: random.Random) -> Account:
    """Draw an account with five teams and eight people."""
    return Account(
        id=prefixed_id(rng, "acc"),
        ulid=ulid(rng, _ACCOUNT_MADE_AT),
        integration_id=prefixed_id(rng, "int"),
        integration_name="Production monitoring",
        teams=tuple(Team(prefixed_id(rng, "tem"), name) for name in _TEAM_NAMES),
        users=tuple(_make_user(rng, name) for name in _USER_NAMES),
    )


def _make_user(rng: random.Random, name: str) -> User:
    mailbox = name.lower().replace(" ", ".").replace("é", "e")
    return User(prefixed_id(rng, "usr"), name, f"{mailbox}@example.com")


def prefixed_id(rng: random.Random, prefix: str) -> str:
    """Draw an id in PagerTree's v3 form: the prefix, an underscore and 14 characters."""
    return f"{prefix}_{''.join(rng.choices(_ID_ALPHABET, k=_ID_LENGTH))}"


def ulid(rng: random.Random, at: datetime) -> str:
    """Draw an id in PagerTree's v4 form: a ULID (26 characters) made at the given time."""
    value = (int(at.timestamp() * 1000) << 80) | rng.getrandbits(80)
    return "".join(_ULID_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))

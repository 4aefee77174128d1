"""What applying a delivery must know of its account, and the daily limit of new alerts."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar
from uuid import UUID

from pagersync.database.engine import Connection


@dataclass(frozen=True, slots=True)
class Account:
    """An integration, as far as its alerts need it."""

    id: UUID
    alert_url_template: str
    alerts_per_day_max: int | None


class OfAccount(Protocol):
    """Anything that belongs to one integration."""

    @property
    def integration_id(self) -> UUID:
        """The integration it belongs to."""


K = TypeVar("K", bound=OfAccount)


async def load_accounts(connection: Connection, ids: Collection[UUID]) -> dict[UUID, Account]:
    """Return integrations by id; those with a daily limit are locked until the transaction ends.

    The lock makes counting exact: new alerts of a limited integration are made one batch at a time.
    """
    rows = await connection.fetch(_ACCOUNTS, list(ids))
    accounts = {row["id"]: Account(**row) for row in rows}
    limited = sorted(
        key for key, account in accounts.items() if account.alerts_per_day_max is not None
    )
    if limited:
        await connection.execute(_START_DAY, limited)
        await connection.execute(_LOCK_DAY, limited)
    return accounts


async def take_from_limits(
    connection: Connection, accounts: Mapping[UUID, Account], wanted: Sequence[K]
) -> set[K]:
    """Count new alerts against their integrations' limits; return those that go beyond them."""
    limited_ids = [
        account.id
        for account in accounts.values()
        if account.alerts_per_day_max is not None
        and any(key.integration_id == account.id for key in wanted)
    ]
    if not limited_ids:
        return set()
    counted = {
        row["integration_id"]: row["alerts"]
        for row in await connection.fetch(_READ_DAY, limited_ids)
    }
    over, taken = _split(accounts, counted, wanted)
    await connection.execute(_ADD_DAY, list(taken), list(taken.values()))
    return over


def _split(
    accounts: Mapping[UUID, Account], counted: Mapping[UUID, int], wanted: Sequence[K]
) -> tuple[set[K], Counter[UUID]]:
    over: set[K] = set()
    taken: Counter[UUID] = Counter()
    for key in wanted:
        limit = accounts[key.integration_id].alerts_per_day_max
        if limit is None:
            continue
        if counted[key.integration_id] + taken[key.integration_id] < limit:
            taken[key.integration_id] += 1
        else:
            over.add(key)
    return over, taken


_TODAY = "to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')"

_ACCOUNTS = """
SELECT id, alert_url_template, alerts_per_day_max FROM integrations WHERE id = ANY($1::uuid[])
"""
_START_DAY = f"""
INSERT INTO alerts_per_day (integration_id, day, alerts)
SELECT id, {_TODAY}, 0 FROM unnest($1::uuid[]) AS i (id)
ON CONFLICT DO NOTHING
"""  # noqa: S608 - a constant of this module
_LOCK_DAY = f"""
SELECT FROM alerts_per_day WHERE integration_id = ANY($1::uuid[]) AND day = {_TODAY}
ORDER BY integration_id FOR UPDATE
"""
_READ_DAY = f"""
SELECT integration_id, alerts FROM alerts_per_day
WHERE integration_id = ANY($1::uuid[]) AND day = {_TODAY}
"""  # noqa: S608 - a constant of this module
_ADD_DAY = f"""
UPDATE alerts_per_day d SET alerts = d.alerts + t.alerts
FROM unnest($1::uuid[], $2::int[]) AS t (integration_id, alerts)
WHERE d.integration_id = t.integration_id AND d.day = {_TODAY}
"""  # noqa: S608 - a constant of this module

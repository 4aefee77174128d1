"""What people are called whom PagerTree's webhooks name by their ids."""

from collections.abc import Collection
from typing import Final, NamedTuple
from uuid import UUID

from pagersync.database.engine import Connection


class Person(NamedTuple):
    """A person of an account, by PagerTree's prefix id."""

    integration_id: UUID
    id: str


async def load_names(connection: Connection, people: Collection[Person]) -> dict[Person, str]:
    """Return the names of those people whom the directory has."""
    rows = await connection.fetch(
        _NAMES, [person.integration_id for person in people], [person.id for person in people]
    )
    return {Person(row["integration_id"], row["prefix_id"]): row["name"] for row in rows}


_NAMES: Final = """
SELECT d.integration_id, d.prefix_id, d.name
FROM directory_entries d
JOIN unnest($1::uuid[], $2::text[]) AS k (integration_id, prefix_id)
  USING (integration_id, prefix_id)
WHERE d.kind = 'user'
"""

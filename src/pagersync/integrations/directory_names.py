"""What people, teams and routers are called that PagerTree names by their ids."""

from collections.abc import Collection
from typing import Final, NamedTuple
from uuid import UUID

from pagersync.database.engine import Connection

USER_PREFIXES: Final = ("usr_", "acu_")
"""PagerTree's webhooks and its documentation of routers say `usr_...`. Which prefix an account user
has in the REST API is not documented."""


class Named(NamedTuple):
    """A user, team or router of an account, by an id of PagerTree's, in whichever form."""

    integration_id: UUID
    id: str


async def load_names(connection: Connection, named: Collection[Named]) -> dict[Named, str]:
    """Return the names of those that the directory has.

    An entry is known by PagerTree's REST id, by its prefix id, and, of users, by the part behind
    the prefix: that `usr_X` and `acu_X` are the same person is an inference.
    """
    forms = [(each, form) for each in named for form in forms_of(each.id)]
    rows = await connection.fetch(
        _NAMES,
        [each.integration_id for each, _ in forms],
        [each.id for each, _ in forms],
        [form for _, form in forms],
    )
    ordered = sorted(rows, key=lambda row: bool(row["is_exact"]))
    return {Named(row["integration_id"], row["id"]): row["name"] for row in ordered}


def forms_of(id_: str) -> list[str]:
    """Return the ids under which the directory may have what PagerTree calls so. Pure."""
    prefix, rest = id_[:4], id_[4:]
    if prefix not in USER_PREFIXES or not rest:
        return [id_]
    return [id_, *(f"{other}{rest}" for other in USER_PREFIXES if other != prefix)]


_NAMES: Final = """
SELECT k.integration_id, k.id, d.name, k.id = k.form AS is_exact
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (integration_id, id, form)
JOIN directory_entries d
  ON d.integration_id = k.integration_id AND (d.prefix_id = k.form OR d.pagertree_id = k.form)
"""

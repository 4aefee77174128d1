"""Who is on call in a team now: PagerTree is asked, and the directory knows the names."""

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from pagersync.database.engine import Sessions
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind
from pagersync.integrations.directory_names import forms_of
from pagersync.integrations.directory_store import having_id
from pagersync.jsonapi import Timestamp
from pagersync.pagertree.client import PagerTree
from pagersync.pagertree.resources import OnCall


@dataclass(frozen=True, slots=True)
class OnCallUser:
    """One person on call.

    Attributes:
        id: of `/v1/users`; None, as the names are, when the directory does not know the person.
    """

    id: UUID | None
    pagertree_id: str
    name: str | None
    email: str | None
    start_at: Timestamp | None
    end_at: Timestamp | None


@dataclass(frozen=True, slots=True)
class OnCallLayer:
    """The people of one layer of the team's schedule; None: PagerTree did not say which."""

    layer: int | None
    users: list[OnCallUser]


async def ask_current_oncall(
    sessions: Sessions, pagertree: PagerTree, team: DirectoryEntry
) -> list[OnCallLayer]:
    """Return who is on call in a team, lowest layer first; no transaction is open meanwhile.

    Raises:
        PagerTreeError: PagerTree did not say.
    """
    oncalls = await pagertree.get_current_oncall(team.pagertree_id)
    forms = [form for oncall in oncalls for form in forms_of(oncall.user_id)]
    statement = select(DirectoryEntry).where(
        DirectoryEntry.integration_id == team.integration_id,
        DirectoryEntry.kind == DirectoryKind.USER,
        having_id(forms),
    )
    async with sessions() as session:
        rows = (await session.scalars(statement)).all()
    known = {id_: row for row in rows for id_ in (row.prefix_id, row.pagertree_id) if id_}
    people = {
        oncall.user_id: known[form]
        for oncall in oncalls
        for form in reversed(forms_of(oncall.user_id))
        if form in known
    }
    layers: defaultdict[int | None, list[OnCallUser]] = defaultdict(list)
    for oncall in oncalls:
        layers[oncall.layer].append(_user(oncall, people.get(oncall.user_id)))
    in_order = sorted(layers, key=lambda layer: (layer is None, layer or 0))
    return [OnCallLayer(layer, layers[layer]) for layer in in_order]


def _user(oncall: OnCall, entry: DirectoryEntry | None) -> OnCallUser:
    return OnCallUser(
        id=entry.id if entry else None,
        pagertree_id=oncall.user_id,
        name=entry.name if entry else None,
        email=next(iter(entry.emails), None) if entry else None,
        start_at=oncall.start_at,
        end_at=oncall.end_at,
    )

"""The directory's SQL: entries found by what people call them, and brought up to date."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.names import slug_of
from pagersync.errors import InvalidError, NotFoundError
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind, DirectoryWatch
from pagersync.integrations.models import Integration
from pagersync.integrations.targets import CANDIDATES_MAX, Known, name_key
from pagersync.integrations.values import to_uuid
from pagersync.pagertree.resources import RemoteRouter, RemoteTeam, RemoteUser

Remote: TypeAlias = RemoteTeam | RemoteUser | RemoteRouter
Listed: TypeAlias = Mapping[DirectoryKind, Collection[Remote]]

NAMES_COMPARED_MAX: Final = 1000
"""Names that an unknown one is compared with: enough to help, and done in milliseconds."""

CHANGING: Final = (
    *("prefix_id", "name", "name_key", "slug", "emails", "time_zone", "member_ids"),
    *("missing_since", "removed_at"),
)
"""What a sync sets; the last two to nothing, for PagerTree lists the entry."""


def having_id(texts: Iterable[str]) -> ColumnElement[bool]:
    """Match entries with one of these ids: PagerTree's REST id or prefix id, or our own."""
    ids = [text for text in texts if text.isprintable()]  # others PostgreSQL may not even take
    return or_(
        DirectoryEntry.pagertree_id.in_(ids),
        DirectoryEntry.prefix_id.in_(ids),
        DirectoryEntry.id.in_([own for own in map(to_uuid, ids) if own is not None]),
    )


def called(texts: Iterable[str]) -> ColumnElement[bool]:
    """Match entries with one of these names or e-mail addresses."""
    keys = [key for key in map(name_key, texts) if key and key.isprintable()]
    return or_(DirectoryEntry.name_key.in_(keys), DirectoryEntry.emails.overlap(keys))


def is_shown() -> ColumnElement[bool]:
    """Match entries that were not removed, of accounts that were not."""
    connected = select(Integration.id).where(Integration.removed_at.is_(None))
    return DirectoryEntry.removed_at.is_(None) & DirectoryEntry.integration_id.in_(connected)


async def find_entry(
    session: AsyncSession,
    kind: DirectoryKind,
    reference: str,
    *,
    or_name: bool = False,
    integration_id: UUID | None = None,
    lock: bool = False,
) -> DirectoryEntry:
    """Return the one entry with that id.

    Our own id finds the entries of removed accounts too.

    Args:
        session: to look it up.
        kind: of what kind it is.
        reference: any of its ids; of a team also the slug.
        or_name: a name or an e-mail address will do, too.
        integration_id: only in this account.
        lock: it is to be changed, which entries of removed accounts are not; nobody else changes
            it until the transaction ends.

    Raises:
        NotFoundError: there is none.
        InvalidError: there are several.
    """
    is_id = to_uuid(reference) is not None
    fits = having_id([reference])
    if reference.isprintable() and not is_id:
        fits |= DirectoryEntry.slug == reference
    statement = select(DirectoryEntry).where(
        DirectoryEntry.kind == kind,
        DirectoryEntry.removed_at.is_(None),
        or_(fits, called([reference])) if or_name else fits,
    )
    if lock or not is_id:
        statement = statement.where(is_shown())
    if lock:
        statement = statement.with_for_update(key_share=True)
    if integration_id is not None:
        statement = statement.where(DirectoryEntry.integration_id == integration_id)
    entries = (await session.scalars(statement.order_by(DirectoryEntry.id))).all()
    entries = [entry for entry in entries if entry.missing_since is None] or entries
    if not entries:
        raise NotFoundError(f"there is no {kind} {reference!r}")
    if len(entries) > 1:
        ids = ", ".join(str(entry.id) for entry in entries[:CANDIDATES_MAX])
        raise InvalidError(
            f"{len(entries)} {kind}s are known as {reference!r}: give the id, one of {ids}",
            parameter="id",
        )
    return entries[0]


async def read_fitting(
    session: AsyncSession,
    integration_id: UUID,
    kind: DirectoryKind,
    ids: Iterable[str],
    names: Iterable[str],
) -> Sequence[DirectoryEntry]:
    """Return the entries of an account that have one of these ids or names."""
    statement = select(DirectoryEntry).where(
        DirectoryEntry.integration_id == integration_id,
        DirectoryEntry.kind == kind,
        or_(having_id(ids), called(names)),
    )
    return (await session.scalars(statement.order_by(DirectoryEntry.id))).all()


async def read_names(session: AsyncSession, integration_id: UUID, kind: DirectoryKind) -> Known:
    """Return what PagerTree lists, to be offered to whoever named something else."""
    rows = await session.execute(
        select(DirectoryEntry.name, DirectoryEntry.emails)
        .where(
            DirectoryEntry.integration_id == integration_id,
            DirectoryEntry.kind == kind,
            DirectoryEntry.missing_since.is_(None),
        )
        .limit(NAMES_COMPARED_MAX)
    )
    names = [text for name, emails in rows for text in (name, *emails)]
    columns = select(Integration.directory_synced_at, Integration.directory_error)
    account = (await session.execute(columns.where(Integration.id == integration_id))).one_or_none()
    return Known(names, *(account or (None, None)))


async def read_listed_ids(
    session: AsyncSession, integration_id: UUID
) -> dict[DirectoryKind, set[str]]:
    """Return PagerTree's ids of what it listed when it was last asked."""
    ids: dict[DirectoryKind, set[str]] = {kind: set() for kind in DirectoryKind}
    rows = await session.execute(
        select(DirectoryEntry.kind, DirectoryEntry.pagertree_id).where(
            DirectoryEntry.integration_id == integration_id, DirectoryEntry.missing_since.is_(None)
        )
    )
    for kind, pagertree_id in rows:
        ids[DirectoryKind(kind)].add(pagertree_id)
    return ids


async def open_watch(session: AsyncSession, integration_id: UUID) -> DirectoryWatch:
    """Return what is kept about an account's directory as a whole, locked."""
    new = insert(DirectoryWatch).values(integration_id=integration_id)
    await session.execute(new.on_conflict_do_nothing())
    own = select(DirectoryWatch).where(DirectoryWatch.integration_id == integration_id)
    return (await session.scalars(own.with_for_update())).one()


async def read_broken(
    session: AsyncSession, integration_ids: Sequence[UUID]
) -> dict[UUID, list[dict[str, Any]]]:
    """Return the broken references of accounts, as the last check found them."""
    columns = select(DirectoryWatch.integration_id, DirectoryWatch.broken)
    rows = await session.execute(columns.where(DirectoryWatch.integration_id.in_(integration_ids)))
    return {row.integration_id: row.broken for row in rows}


async def forget_check(session: AsyncSession) -> None:
    """Let the references of every account be checked again: some may have changed."""
    await session.execute(update(DirectoryWatch).values(checked_as_of=None))


async def write_listed(
    session: AsyncSession,
    integration_id: UUID,
    listed: Listed,
    fetched_at: datetime,
    *,
    doubted: Collection[DirectoryKind] = (),
) -> tuple[int, int]:
    """Add what is new, update the rest, mark what is gone; return how many are new and gone.

    Of the `doubted` kinds nothing is marked as gone.
    """
    rows = [
        _row(integration_id, kind, remote, fetched_at)
        for kind, remotes in listed.items()
        for remote in remotes
    ]
    added = sum((await session.scalars(_upsert(), rows)).all()) if rows else 0
    gone = await session.scalars(
        update(DirectoryEntry)
        .where(
            DirectoryEntry.integration_id == integration_id,
            DirectoryEntry.kind.in_(listed.keys() - set(doubted)),
            DirectoryEntry.missing_since.is_(None),
            DirectoryEntry.fetched_at < fetched_at,
        )
        .values(missing_since=fetched_at, version=DirectoryEntry.version + 1)
        .returning(DirectoryEntry.id)
    )
    return added, len(gone.all())


def _row(
    integration_id: UUID, kind: DirectoryKind, remote: Remote, fetched_at: datetime
) -> dict[str, Any]:
    emails = [remote.email or "", *remote.emails] if isinstance(remote, RemoteUser) else []
    keys = list(dict.fromkeys(name_key(email) for email in emails if email))
    name = remote.name or next(iter(keys), None) or remote.prefix_id or remote.id
    return {
        "integration_id": integration_id,
        "kind": kind,
        "pagertree_id": remote.id,
        "prefix_id": remote.prefix_id,
        "name": name,
        "name_key": name_key(name),
        "slug": _slug(remote, name),
        "emails": keys,
        "time_zone": remote.time_zone if isinstance(remote, RemoteUser) else None,
        "member_ids": [*remote.member_ids] if isinstance(remote, RemoteTeam) else [],
        "fetched_at": fetched_at,
    }


def _slug(remote: Remote, name: str) -> str | None:
    if not isinstance(remote, RemoteTeam):
        return None
    return slug_of(name) or (remote.prefix_id or remote.id).lower()


def _upsert() -> Any:
    """Return the statement that adds entries or brings them up to date: 1 for each that is new."""
    table = DirectoryEntry.__table__
    new = insert(DirectoryEntry)
    before = tuple_(*[table.c[name] for name in CHANGING])
    after = tuple_(*[new.excluded[name] for name in CHANGING])
    changes: dict[str, Any] = {name: new.excluded[name] for name in (*CHANGING, "fetched_at")}
    is_changed = before.is_distinct_from(after)
    changes["updated_at"] = case((is_changed, func.now()), else_=table.c.updated_at)
    changes["version"] = table.c.version + case((is_changed, 1), else_=0)
    return new.on_conflict_do_update(
        index_elements=["integration_id", "kind", "pagertree_id"],
        set_=changes,
    ).returning(literal_column("(xmax = 0)::int"))

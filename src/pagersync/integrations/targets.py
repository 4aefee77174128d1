"""Finding what a person means by a team, a user or a router. Pure.

Either an id or a name is enough; where both are given, the id decides, and a name that does not
fit any more is a note. A page must never go to somebody who was not meant, so nothing is guessed:
what fits nobody or several is an error that lists who might have been meant.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Final

from pagersync.errors import InvalidError
from pagersync.integrations.directory_models import DirectoryEntry, DirectoryKind

CANDIDATES_MAX: Final = 5
SYNC: Final = (
    "`pagersync directory sync` asks PagerTree again, `pagersync directory list` shows all"
)
PAGERTREE_ID: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[a-z]{3}_[A-Za-z0-9_-]+")
"""The ids of PagerTree's objects: a ULID, or a prefix id ("Common Model Attributes")."""
PREFIXES: Final = {
    "tem_": DirectoryKind.TEAM,
    "usr_": DirectoryKind.USER,
    "acu_": DirectoryKind.USER,
    "rtr_": DirectoryKind.ROUTER,
}
"""The prefixes that are known; there may be others."""


@dataclass(frozen=True, slots=True)
class TargetReference:
    """How a request names a target.

    Attributes:
        id: PagerTree's REST id or prefix id, or the id of the directory's own row.
        name: a name, without regard to case and surrounding space; of a user also an e-mail
            address.
    """

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody or something that can be paged."""

    kind: DirectoryKind
    pagertree_id: str
    prefix_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer to an unknown reference can offer.

    Attributes:
        names: of everything of the kind that PagerTree lists; of users the addresses too.
        synced_at: as of when.
        error: why the last try to list them failed, or was not believed.
    """

    names: Sequence[str]
    synced_at: datetime | None
    error: str | None = None

    @property
    def is_trusted(self) -> bool:
        """Whether an id that is not listed does not exist: the newest listing is complete."""
        return self.synced_at is not None and self.error is None


def trimmed(reference: TargetReference) -> TargetReference:
    """Return a reference without surrounding space; what is empty is None."""
    return TargetReference(
        id=(reference.id or "").strip() or None, name=(reference.name or "").strip() or None
    )


def name_key(name: str) -> str:
    """Return the form in which names and e-mail addresses are compared.

    PostgreSQL's own `lower` would depend on the locale of its database.
    """
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def has_id(entry: DirectoryEntry, text: str) -> bool:
    """Tell whether an entry has this id, in any of its forms."""
    return text in (entry.pagertree_id, entry.prefix_id) or text.lower() == str(entry.id)


def is_called(entry: DirectoryEntry, text: str) -> bool:
    """Tell whether an entry has this name or e-mail address."""
    key = name_key(text)
    return bool(key) and (key == entry.name_key or key in entry.emails)


def find_fitting(
    entries: Sequence[DirectoryEntry], reference: TargetReference
) -> list[DirectoryEntry]:
    """Return what fits a reference; what is missing only if nothing else does."""
    if reference.id is not None:
        found = [entry for entry in entries if has_id(entry, reference.id)]
    else:
        found = [entry for entry in entries if is_called(entry, reference.name or "")]
    return [entry for entry in found if entry.missing_since is None] or found


def pick(
    kind: DirectoryKind, reference: TargetReference, found: Sequence[DirectoryEntry], pointer: str
) -> Target:
    """Return the one target among what was found, which is not empty.

    Raises:
        InvalidError: several fit, or the one that fits is missing.
    """
    if len(found) > 1:
        ids = ", ".join(shown_id(entry) for entry in found[:CANDIDATES_MAX])
        called = (
            f"have the id {reference.id!r}" if reference.id else f"are called {reference.name!r}"
        )
        raise InvalidError(
            f"{len(found)} {kind}s {called}: give the id, one of {ids}", pointer=pointer
        )
    (entry,) = found
    if entry.missing_since is not None:
        raise InvalidError(
            f"PagerTree no longer lists the {kind} {entry.name!r} ({shown_id(entry)}), "
            f"noticed {_time(entry.missing_since)}: {SYNC}",
            pointer=pointer,
        )
    return Target(kind, entry.pagertree_id, entry.prefix_id, entry.name)


def renamed(kind: DirectoryKind, reference: TargetReference, entry: DirectoryEntry) -> str | None:
    """Return the note that the name beside an id is not the entry's name any more."""
    if not reference.id or not reference.name or is_called(entry, reference.name):
        return None
    return f"the {kind} {reference.name!r} is called {entry.name!r} now"


def by_id_alone(kind: DirectoryKind, reference: TargetReference, known: Known) -> Target | None:
    """Return a target that only its id says, if nobody can know whether PagerTree has it.

    PagerTree decides then: a page must not wait for a listing.
    """
    if known.is_trusted or reference.id is None or not PAGERTREE_ID.fullmatch(reference.id):
        return None
    if PREFIXES.get(reference.id[:4], kind) != kind:
        return None
    return Target(kind, reference.id, None, reference.name or reference.id)


def unknown(
    kind: DirectoryKind, reference: TargetReference, known: Known, pointer: str
) -> InvalidError:
    """Return the error for a reference that fits nothing."""
    if reference == TargetReference():
        detail = f"name the {kind}: give an id or a name"
    elif not known.names:
        as_of = f" as of {_time(known.synced_at)}" if known.synced_at else ""
        detail = f"no {kind}s are known{as_of}: run `pagersync directory sync`"
    elif reference.id:
        as_of = f"as of {_time(known.synced_at)}" if known.synced_at else "so far"
        detail = f"PagerTree lists no {kind} with the id {reference.id!r} {as_of}: {SYNC}"
    else:
        closest = _closest(reference.name or "", known.names)
        hint = f"did you mean {', '.join(map(repr, closest))}?" if closest else _some(known.names)
        detail = f"no {kind} is called {reference.name!r}: {hint}"
    return InvalidError(detail, pointer=pointer)


def shown_id(entry: DirectoryEntry) -> str:
    """Return the id that people know an entry by."""
    return entry.prefix_id or entry.pagertree_id


def _closest(name: str, names: Sequence[str]) -> list[str]:
    by_key = {name_key(known): known for known in names}
    return [by_key[key] for key in get_close_matches(name_key(name), by_key, CANDIDATES_MAX)]


def _some(names: Sequence[str]) -> str:
    """Return what there is, as far as it fits, and how to see the rest."""
    ordered = sorted(names, key=name_key)
    shown = ", ".join(map(repr, ordered[:CANDIDATES_MAX]))
    more = len(ordered) - CANDIDATES_MAX
    rest = f" and {more} more" if more > 0 else ""
    return f"there {'is' if len(ordered) == 1 else 'are'} {shown}{rest}; {SYNC}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"

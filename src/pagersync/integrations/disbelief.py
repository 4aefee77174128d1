"""Whether a listing of PagerTree's is believed: one that lost a lot is asked for again first. Pure.

An empty answer, or one that lacks more than a third of what was listed before, may be a fault of
PagerTree's or of the key. To believe it at once would end every page that names a team.
"""

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pagersync.integrations.directory_models import DirectoryKind
from pagersync.integrations.directory_store import Listed

LOST_PART: Final = 3
"""More than one in three that is gone is doubted."""

BELIEVE_AFTER: Final = timedelta(minutes=2)
LOOK_AGAIN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is believed of a listing.

    Attributes:
        doubted: the kinds of which nothing is taken to be gone.
        doubt: what to keep until the next listing: `fingerprint`, `since`; None: all is believed.
        detail: what is not believed and why, for people.
    """

    doubted: frozenset[DirectoryKind] = frozenset()
    doubt: dict[str, Any] | None = None
    detail: str | None = None


def examine(
    known: Mapping[DirectoryKind, AbstractSet[str]],
    listed: Listed,
    before: Mapping[str, Any] | None,
    now: datetime,
) -> Verdict:
    """Return what is believed of a listing.

    Args:
        known: PagerTree's ids of what it listed until now.
        listed: the new listing.
        before: the `doubt` of the listing before this one.
        now: the time.
    """
    lost = doubted(known, listed)
    if not lost:
        return Verdict()
    fingerprint = _fingerprint(lost)
    since = now
    if before is not None and before["fingerprint"] == fingerprint:
        since = datetime.fromisoformat(before["since"])
    if now - since >= BELIEVE_AFTER:
        return Verdict()
    counts = " and ".join(
        f"{len(known[kind]) - len(ids)} of the {len(known[kind])} {kind}s"
        for kind, ids in lost.items()
    )
    detail = (
        f"PagerTree listed only {counts} that it listed before. The others stay. If "
        f"PagerTree lists the same after {since + BELIEVE_AFTER:%H:%M:%S} UTC, it is believed; "
        "`pagersync directory sync --believe` believes it at once"
    )
    return Verdict(
        frozenset(lost), {"fingerprint": fingerprint, "since": since.isoformat()}, detail
    )


def doubted(
    known: Mapping[DirectoryKind, AbstractSet[str]], listed: Listed
) -> dict[DirectoryKind, set[str]]:
    """Return the kinds of which too much is gone, each with the ids that are."""
    lost = {
        kind: set(known[kind]) - {remote.id for remote in remotes}
        for kind, remotes in listed.items()
    }
    return {kind: ids for kind, ids in lost.items() if len(ids) * LOST_PART > len(known[kind])}


def _fingerprint(lost: Mapping[DirectoryKind, AbstractSet[str]]) -> str:
    lines = sorted(f"{kind} {id_}" for kind, ids in lost.items() for id_ in ids)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""Why workflows did not run, written once and named by events.

A storm of events is looked at by every workflow, and almost all of them say no, each time for the
same reasons. What they say is kept under a name made of its content.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

KNOWN_MAX: Final = 1000


class VerdictSets:
    """The sets that this process has named, and those that it knows to be stored today."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, ...], UUID] = {}
        self._stored: set[UUID] = set()
        self._day: date | None = None

    def id_of(self, refused: Sequence[str]) -> UUID | None:
        """Return the name of a set of verdicts, each a JSON object; None for an empty one."""
        if not refused:
            return None
        key = tuple(refused)
        if key not in self._ids:
            if len(self._ids) >= KNOWN_MAX:
                self._ids.clear()
            digest = hashlib.sha256("\n".join(key).encode()).digest()
            self._ids[key] = UUID(bytes=digest[:16])
        return self._ids[key]

    def of(self, every: Iterable[Sequence[str]]) -> dict[UUID, str]:
        """Return the sets that are not known to be stored today, as JSON, by their names."""
        today = datetime.now(UTC).date()
        if today != self._day or len(self._stored) > KNOWN_MAX:
            self._day, self._stored = today, set()
        sets = {}
        for refused in every:
            set_id = self.id_of(refused)
            if set_id is not None and set_id not in self._stored and set_id not in sets:
                sets[set_id] = f"[{', '.join(refused)}]"
        return sets

    def are_stored(self, sets: Mapping[UUID, str]) -> None:
        """Note that sets are committed, with today as the day of their use."""
        self._stored.update(sets)

"""The disk of the embedded database: before it is full, what can be sent again is refused.

What is left is for paging: a page that is decided needs a few kilobytes, and a database that finds
no room at all pages nobody.
"""

import shutil
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Final

from pagersync.database.access import embedded_root, is_embedded
from pagersync.errors import BusyError
from pagersync.log import warn_rarely
from pagersync.settings import Settings

LOOK_EVERY_S: Final = 1.0
RETRY_AFTER_S: Final = 60
MIB: Final = 1024 * 1024


class Room(StrEnum):
    """How much room there is.

    `low`: less than the setting, and what only configures is refused. `short`: less than half of
    it, and what senders send again is refused, too: webhooks and every change of the API.
    """

    ENOUGH = "enough"
    LOW = "low"
    SHORT = "short"


class DiskWatch:
    """Looks at the disk of the embedded database; of an external one nothing is known here."""

    def __init__(self, settings: Settings) -> None:
        self._watched: Path | None = embedded_root(settings) if is_embedded(settings) else None
        self._least_mib = settings.disk_free_mib_min
        self._looked_at = -LOOK_EVERY_S
        self._free_mib = 0

    def room(self) -> Room:
        """Return how much room there is; the disk is looked at once a second."""
        if self._watched is None or not self._least_mib:
            return Room.ENOUGH
        if monotonic() - self._looked_at >= LOOK_EVERY_S:
            self._looked_at = monotonic()
            self._free_mib = shutil.disk_usage(self._watched).free // MIB
        if self._free_mib >= self._least_mib:
            return Room.ENOUGH
        room = Room.LOW if self._free_mib >= self._least_mib / 2 else Room.SHORT
        warn_rarely("the disk is nearly full", reason=room.value, free_mib=self._free_mib)
        return room

    def problem(self) -> str | None:
        """Return what is wrong with the disk, for people; None if nothing is."""
        room = self.room()
        if room is Room.ENOUGH:
            return None
        refused = "changes that page nobody are" if room is Room.LOW else "webhooks and changes are"
        return (
            f"{self._free_mib} MiB are free on the disk of {self._watched}, less than the "
            f"{self._least_mib} of PAGERSYNC_DISK_FREE_MIB_MIN: {refused} refused"
        )

    def check(self, *, pages: bool) -> None:
        """Let something be stored that can be sent again.

        Args:
            pages: whether somebody may be paged for it.

        Raises:
            BusyError: what room there is, is for paging.
        """
        room = self.room()
        if room is Room.SHORT or (room is Room.LOW and not pages):
            raise BusyError(
                "the disk of the database is nearly full, and what is left of it is for paging: "
                "make room, and send this again",
                retry_after_s=RETRY_AFTER_S,
            )

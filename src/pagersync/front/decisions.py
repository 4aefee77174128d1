"""Who must give way when something is scarce. Pure."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SLOW_S: Final = 1.0
"""A body or an answer that takes longer may have to give way to others."""


def is_too_slow(elapsed_s: float, moved_bytes: int, *, grace_s: float, bytes_per_s: int) -> bool:
    """Whether a transfer is slower than allowed: `grace_s`, and then an average speed."""
    return elapsed_s > grace_s + moved_bytes / bytes_per_s


class Pool(Generic[T]):
    """Bytes that several hold, with a limit for their sum. The oldest slow ones give way.

    Attributes:
        held: the sum.
    """

    def __init__(self, bytes_max: int, *, slow_s: float = SLOW_S) -> None:
        self.bytes_max = bytes_max
        self._slow_s = slow_s
        self.held = 0
        self._holders: OrderedDict[T, tuple[float, int]] = OrderedDict()

    def __contains__(self, holder: T) -> bool:
        return holder in self._holders

    def items(self) -> Iterable[tuple[T, tuple[float, int]]]:
        """Return the holders, oldest first, each with its begin and its bytes."""
        return list(self._holders.items())

    def hold(self, holder: T, size: int, now: float) -> list[T] | None:
        """Let `holder` hold `size` bytes in all.

        Returns:
            Who had to give way, which they have; None: no room, and `holder` holds nothing.
        """
        since, before = self._holders.get(holder, (now, 0))
        victims = self._victims(holder, self.held - before + size - self.bytes_max, now)
        if victims is None:
            self.release(holder)
            return None
        for victim in victims:
            self.release(victim)
        self._holders[holder] = (since, size)
        self.held += size - before
        return victims

    def _victims(self, holder: T, excess: int, now: float) -> list[T] | None:
        victims: list[T] = []
        if excess <= 0:
            return victims
        for other, (since, size) in self._holders.items():
            if other == holder or now - since < self._slow_s:
                return None
            victims.append(other)
            excess -= size
            if excess <= 0:
                return victims
        return None

    def postpone(self, holder: T, seconds: float) -> None:
        """Act as if `holder` had begun later: it was not its fault that it waited."""
        since, size = self._holders[holder]
        self._holders[holder] = (since + seconds, size)

    def release(self, holder: T) -> None:
        """Take back what `holder` held, if anything."""
        self.held -= self._holders.pop(holder, (0.0, 0))[1]

    def oldest_slow(self, now: float) -> T | None:
        """Return who has held something for longest, if that is too long."""
        for holder, (since, _) in self._holders.items():
            return holder if now - since >= self._slow_s else None
        return None


@dataclass(frozen=True, slots=True)
class Unread(Generic[T]):
    """An answer that its client has not read.

    Attributes:
        waited_s: how long it has waited.
        most: how many bytes of it waited at first.
        left: how many wait now.
    """

    holder: T
    waited_s: float
    most: int
    left: int


def unread_to_close(
    answers: Sequence[Unread[T]], *, grace_s: float, bytes_per_s: int, bytes_max: int
) -> list[T]:
    """Return whose connections are closed: the too slow, then the oldest while there is too much.

    Args:
        answers: the oldest first.
        grace_s: see `is_too_slow`.
        bytes_per_s: see `is_too_slow`.
        bytes_max: how much may be left, of all together.
    """
    excess = sum(each.left for each in answers) - bytes_max
    closed: list[T] = []
    for each in answers:
        moved = each.most - each.left
        if is_too_slow(each.waited_s, moved, grace_s=grace_s, bytes_per_s=bytes_per_s) or (
            excess > 0 and each.waited_s >= SLOW_S
        ):
            closed.append(each.holder)
            excess -= each.left
    return closed

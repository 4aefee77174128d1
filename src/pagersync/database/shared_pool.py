"""The connections for requests, shared out among those who ask for them."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from sqlalchemy import AsyncAdaptedQueuePool
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from pagersync.database.caller import CALLER
from pagersync.database.capacity import HEALTH, LOGIN, share_of_keys
from pagersync.fair import Gate, Limits

SHORT_WAIT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Share:
    """For what a connection is asked for, where no API key is known: `login` or `health`."""

    name: str
    caller: str = ""


SHARE: Final[ContextVar[Share | None]] = ContextVar("share", default=None)


class SharedPool(AsyncAdaptedQueuePool):
    """The connections for requests: some for each key, some to log in, one for health checks."""

    KEYS: ClassVar[str] = "keys"

    def __init__(self, creator: Any, pool_size: int = 5, **options: Any) -> None:
        super().__init__(creator, pool_size=pool_size, **options)
        self._gates = {
            "health": Gate(Limits(HEALTH, HEALTH, wait_s=SHORT_WAIT_S)),
            "login": Gate(Limits(LOGIN, LOGIN, wait_s=SHORT_WAIT_S)),
            self.KEYS: Gate(Limits(*share_of_keys(pool_size))),
        }
        self._holders: dict[int, tuple[Gate, str]] = {}

    def _do_get(self) -> ConnectionPoolEntry:
        share = _whose()
        gate = self._gates.get(share.name, self._gates[self.KEYS])
        await_only(gate.enter(share.caller))
        try:
            record = super()._do_get()
        except BaseException:
            gate.leave(share.caller)
            raise
        self._holders[id(record)] = gate, share.caller
        return record

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        holder = self._holders.pop(id(record), None)
        super()._do_return_conn(record)
        if holder is not None:
            gate, caller = holder
            gate.leave(caller)


def _whose() -> Share:
    caller = CALLER.get()
    if caller is not None and caller.id is not None:
        return Share(SharedPool.KEYS, str(caller.id))
    return SHARE.get() or Share(SharedPool.KEYS)

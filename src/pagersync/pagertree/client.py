"""PagerTree's REST API v4, one method for each call.

Facts, from PagerTree's public API documentation and its open-source command line client: bearer
authentication; JSON bodies; lists as `{"data": [...], "has_more", "total_count"}` of at most 100,
filtered by any attribute, with other comparisons through `ops`; acknowledging and resolving answer
with the alert; success is any 2xx, perhaps without a body. What an answer means is `outcome.py`'s.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    wait_random_exponential,
)

from pagersync.errors import Contract, PagerTreeError, Rejected, Unavailable
from pagersync.http import AsyncClient
from pagersync.pagertree.exchange import Call, Exchange, create_http_client, exchange
from pagersync.pagertree.outcome import Answer, error_of
from pagersync.pagertree.resources import (
    AlertChanges,
    Comment,
    NewAlert,
    OnCall,
    RemoteAlert,
    RemoteRouter,
    RemoteTeam,
    RemoteUser,
    read_alert,
    read_comment,
    read_oncall,
    read_page,
    read_router,
    read_team,
    read_user,
)

__all__ = ["ATTEMPTS_MAX", "Exchange", "PagerTree", "create_http_client", "verify_api_key"]

ATTEMPTS_MAX: Final = 2
RETRY_AFTER_WAITED_S_MAX: Final = 2.0
PAGE_ROWS_MAX: Final = 100
ALERT_ROWS_MAX: Final = 1000
ROWS_MAX: Final = 10_000
TOO_MANY_REQUESTS: Final = 429
VERIFY_TIMEOUT_S: Final = 10.0
T = TypeVar("T")


class PagerTree:
    """One account at PagerTree.

    Every method returns a value or raises one `PagerTreeError`: `Unavailable`, `Rejected`,
    `CredentialsRefused`, `Ambiguous` or `Contract`. Calls that only read are tried again.

    Args:
        http: from `create_http_client`; it may serve many accounts.
        timeout_s: longest wait for one answer, from asking for a connection to the last byte.
        record: called once for every HTTP exchange, however it ended.
        reads_max: how often a call that only reads is tried while PagerTree is not well. One that
            was called too often is not called more than twice.
    """

    def __init__(
        self,
        http: AsyncClient,
        *,
        pagertree_url: str,
        api_key: str,
        timeout_s: float,
        record: Callable[[Exchange], None] | None = None,
        reads_max: int = ATTEMPTS_MAX,
    ) -> None:
        self._http = http
        self._url = pagertree_url
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._record = record
        self._reads_max = reads_max

    def recorded_by(self, record: Callable[[Exchange], None]) -> "PagerTree":
        """Return the same account, whose exchanges somebody else is told of."""
        other = copy(self)
        other._record = record  # noqa: SLF001 - a copy of this one
        return other

    def record(self, exchanges: Iterable[Exchange]) -> None:
        """Record exchanges that were made for this caller by another."""
        for each in exchanges:
            if self._record is not None:
                self._record(each)

    async def list_alerts(
        self,
        *,
        thirdparty_id: str | None = None,
        status: str | None = None,
        created_after: datetime | None = None,
        newest_first: bool = True,
        q: str | None = None,
        rows_max: int = ALERT_ROWS_MAX,
    ) -> list[RemoteAlert]:
        """Return the alerts that match, page after page until `rows_max` are found.

        `created_after` includes that very moment; `q` is PagerTree's search in full text.
        """
        filters: dict[str, str | None] = {"thirdparty_id": thirdparty_id, "status": status, "q": q}
        if created_after is not None:
            moment = created_after.astimezone(UTC).isoformat(timespec="milliseconds")
            filters |= {"created_at": moment.replace("+00:00", "Z"), "ops": "created_at:gte"}
        filters |= {"sort": "created_at", "direction": "desc" if newest_first else "asc"}
        return await self._list("/alerts", read_alert, filters, rows_max=rows_max)

    async def create_alert(self, new: NewAlert) -> RemoteAlert:
        """Create an alert: this is what pages people."""
        return await self._once(_call("POST", "/alerts", new.to_json()), read_alert)

    async def get_alert(self, id: str) -> RemoteAlert:  # noqa: A002 - the API's word
        """Return an alert."""
        return await self._get(_path("/alerts", id), read_alert)

    async def update_alert(self, id: str, changes: AlertChanges) -> RemoteAlert | None:  # noqa: A002
        """Change an alert. None: PagerTree accepted and did not show it."""
        return await self._once(_call("PUT", _path("/alerts", id), changes.to_json()), _read_shown)

    async def acknowledge_alert(self, id: str) -> RemoteAlert | None:  # noqa: A002
        """Acknowledge an alert; it must be open, dropped or suppressed."""
        return await self._act(id, "acknowledge")

    async def reject_alert(self, id: str) -> RemoteAlert | None:  # noqa: A002
        """Reject an alert; the key's user must be one of those who are paged."""
        return await self._act(id, "reject")

    async def resolve_alert(self, id: str) -> RemoteAlert | None:  # noqa: A002
        """Resolve an alert; it must be open, dropped or acknowledged."""
        return await self._act(id, "resolve")

    async def add_comment(self, id: str, body: str) -> None:  # noqa: A002
        """Comment on an alert."""
        await self._once(_call("POST", _path("/alerts", id, "comments"), {"body": body}), bool)

    async def list_comments(self, id: str) -> list[Comment]:  # noqa: A002
        """Return the comments on an alert."""
        return await self._list(_path("/alerts", id, "comments"), read_comment)

    async def list_teams(self, *, rows_max: int = ROWS_MAX) -> list[RemoteTeam]:
        """Return all teams, or as many as are enough."""
        return await self._list("/teams", read_team, rows_max=rows_max)

    async def get_current_oncall(self, team_id: str) -> list[OnCall]:
        """Return who is on call in a team now."""
        return await self._get(_path("/teams", team_id, "current_oncall"), read_oncall)

    async def list_account_users(self) -> list[RemoteUser]:
        """Return all account users: the people whom an alert can go to."""
        return await self._list("/account_users", read_user)

    async def list_routers(self) -> list[RemoteRouter]:
        """Return all routers."""
        return await self._list("/routers", read_router)

    async def _act(self, alert_id: str, action: str) -> RemoteAlert | None:
        return await self._once(_call("POST", _path("/alerts", alert_id, action)), _read_shown)

    async def _list(
        self,
        path: str,
        read: Callable[[Any], T],
        filters: Mapping[str, str | None] | None = None,
        *,
        rows_max: int = ROWS_MAX,
    ) -> list[T]:
        """Return what a list holds. It ends where a page brings nothing new, whatever it says."""
        found: dict[object, T] = {}
        offset, more = 0, True
        while more and len(found) < rows_max:
            limits = {"limit": str(min(PAGE_ROWS_MAX, rows_max)), "offset": str(offset)}
            query = _query({**(filters or {}), **limits})
            rows, more = await self._get(f"{path}?{query}", lambda page: read_page(page, read))
            known = len(found)
            found |= {getattr(row, "id", row): row for row in rows}
            offset += len(rows)
            more = more and len(found) > known
        return list(found.values())[:rows_max]

    async def _get(self, path: str, read: Callable[[Any], T]) -> T:
        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_worth_a_retry),
            stop=self._is_enough,
            wait=_pause_s,
            reraise=True,
        )
        return await retrying(self._once, _call("GET", path), read)

    def _is_enough(self, state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        is_limited = isinstance(error, PagerTreeError) and error.http_status == TOO_MANY_REQUESTS
        return state.attempt_number >= (ATTEMPTS_MAX if is_limited else self._reads_max)

    async def _once(self, call: Call, read: Callable[[Any], T]) -> T:
        with self._recorded(call) as answer:
            await exchange(
                self._http,
                call,
                answer,
                pagertree_url=self._url,
                api_key=self._api_key,
                timeout_s=self._timeout_s,
            )
            error = error_of(
                answer, changes=call.changes, secret=self._api_key, now=datetime.now(UTC)
            )
            if error is not None:
                raise error
            return read(_decode(answer.body))

    @contextmanager
    def _recorded(self, call: Call) -> Iterator[Answer]:
        answer, started_at, begun_s = Answer(), datetime.now(UTC), time.monotonic()
        error: str | None = "broken off"
        try:
            yield answer
            error = None
        except PagerTreeError as failure:
            failure.http_status = answer.status
            error = failure.detail
            raise
        finally:
            if self._record is not None:
                duration_ms = round((time.monotonic() - begun_s) * 1000)
                self._record(
                    Exchange(call.method, call.path, answer.status, started_at, duration_ms, error)
                )


def _call(method: str, path: str, payload: dict[str, Any] | None = None) -> Call:
    return Call(method, path, None if payload is None else json.dumps(payload))


def _path(collection: str, id: str, action: str = "") -> str:  # noqa: A002 - the API's word
    """Return the path of one object, or of something below it.

    Raises:
        Rejected: the id would change what the path means.
    """
    if id in ("", ".", ".."):
        raise Rejected(f"{id!r} is no id of PagerTree's")
    path = f"{collection}/{quote(id, safe='', errors='replace')}"
    return f"{path}/{action}" if action else path


def _query(values: Mapping[str, str | None]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return urlencode(given, quote_via=quote, errors="replace")


def _decode(body: bytearray) -> Any:
    """Return what the body says; None when it says nothing.

    Raises:
        Contract: it is not JSON.
    """
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Contract("PagerTree's answer is not JSON") from None


def _read_shown(payload: Any) -> RemoteAlert | None:
    return read_alert(payload) if payload else None


def _is_worth_a_retry(error: BaseException) -> bool:
    return (
        isinstance(error, Unavailable) and (error.retry_after_s or 0.0) <= RETRY_AFTER_WAITED_S_MAX
    )


_JITTER: Final = wait_random_exponential(multiplier=0.2, max=1)


def _pause_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, Unavailable) else None
    return asked_s or _JITTER(state)


async def verify_api_key(client: AsyncClient, *, pagertree_url: str, api_key: str) -> None:
    """Return if PagerTree accepts the key, by asking for one team.

    Raises:
        Rejected: PagerTree refuses the key, or the address cannot be called.
        Unavailable: PagerTree could not be asked.
        Contract: what answered does not look like PagerTree's API.
    """
    pagertree = PagerTree(
        client,
        pagertree_url=pagertree_url,
        api_key=api_key,
        timeout_s=client.timeout.read or VERIFY_TIMEOUT_S,
    )
    try:
        await pagertree.list_teams(rows_max=1)
    except Rejected as error:
        if error.http_status in (None, 401, 403):
            raise Rejected(error.detail, http_status=error.http_status) from None
        raise _not_pagertree(error, pagertree_url) from None
    except Contract as error:
        raise _not_pagertree(error, pagertree_url) from None


def _not_pagertree(error: PagerTreeError, url: str) -> Contract:
    return Contract(
        f"{error.detail}: is {url} PagerTree's API? Its address ends with /api/v4",
        http_status=error.http_status,
    )

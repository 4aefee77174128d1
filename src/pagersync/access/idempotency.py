"""`Idempotency-Key`: a POST that is sent again has one effect and one answer.

The key's row is the first that the request's transaction writes. Whoever sends the same key at the
same moment waits for it there, before any effect, and what commits is the effect with its answer.
"""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import FastAPI, Header, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Row, Select, delete, event, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.access.models import IdempotencyKey
from pagersync.database.session import SessionDep
from pagersync.errors import ConflictError
from pagersync.shape import Beginning, ShapedRoute

REPLAYED: Final = {"Idempotency-Replayed": "true"}

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]([ -~]*[!-~])?$",
        description="Any value that is new for each new request, a UUID for example. The same "
        "request with the same key again gets the first answer, with `Idempotency-Replayed: true`, "
        "and has no further effect; another request with it gets 409. Answers other than 2xx are "
        "not kept: the key is free again.",
    ),
]


class IdempotencyKeyReusedError(ConflictError):
    """The key was used for another request."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class Replay(Exception):
    """Ends a request that was answered before.

    Attributes:
        answer: the first answer, to be given again.
    """

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class IdempotentRoute(ShapedRoute):
    """The route class of every router with a POST: `APIRouter(route_class=IdempotentRoute)`.

    What a POST changes, it changes through `SessionDep`: only that commits with the key.
    """

    def begins_with(self, methods: set[str] | list[str]) -> Beginning | None:
        """Return the claim of a key, for a POST."""
        if "POST" in methods:
            return Beginning(_begin, (409, 422))
        return super().begins_with(methods)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler; its answer joins the transaction, which is still open then."""
        handle = super().get_route_handler()

        async def handle_and_keep(request: Request) -> Response:
            response = await handle(request)
            claim: Claim | None = getattr(request.state, "claim", None)
            if claim is not None:
                await claim.keep(response)
            return response

        return handle_and_keep


async def _begin(request: Request, session: SessionDep, key: Key = None) -> None:
    """Give the first answer again, or let the request's transaction begin by claiming the key."""
    if key is None:
        return
    claim = Claim(
        session=session,
        vault=request.state.vault,
        api_key_id=request.state.api_key.id,
        key=key,
        request_sha256=await _digest(request),
    )
    async with request.state.sessions() as short:
        used = (await short.execute(claim.select())).one_or_none()
    if used is not None:
        claim.replay(used)

    def take(_session: Any, _transaction: Any, connection: Connection) -> None:
        claim.take(connection)

    event.listen(session.sync_session, "after_begin", take, once=True)
    request.state.claim = claim


async def _digest(request: Request) -> bytes:
    """Return the SHA-256 of what makes two requests the same: path, query and body, as sent."""
    target = request.scope["raw_path"] + b"?" + request.scope["query_string"]
    return hashlib.sha256(target + b"\n" + await request.body()).digest()


@dataclass(frozen=True, slots=True)
class Claim:
    """One request's use of a key."""

    session: AsyncSession
    vault: Any  # integrations' Vault, which stands above this part
    api_key_id: UUID
    key: str
    request_sha256: bytes

    def select(self) -> Select[Any]:
        """Return the query for the request that had the key first."""
        return select(
            IdempotencyKey.request_sha256,
            IdempotencyKey.status,
            IdempotencyKey.headers,
            IdempotencyKey.body_encrypted,
            IdempotencyKey.created_at,
        ).where(*self._mine())

    def take(self, connection: Connection) -> None:
        """Claim the key, as the first statement of the transaction, or wait for who has it.

        Raises:
            Replay: the request was answered by then.
            IdempotencyKeyReusedError: it was another request.
        """
        statement = (
            insert(IdempotencyKey)
            .values(api_key_id=self.api_key_id, key=self.key, request_sha256=self.request_sha256)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
        if connection.execute(statement).first() is None:
            self.replay(connection.execute(self.select()).one())

    def replay(self, used: Row[Any]) -> None:
        """End the request with what the key's first one was answered.

        Raises:
            Replay: it was the same request.
            IdempotencyKeyReusedError: it was another one.
        """
        if used.request_sha256 != self.request_sha256:
            raise IdempotencyKeyReusedError(
                f"this Idempotency-Key was used at {used.created_at:%Y-%m-%dT%H:%M:%SZ} for a "
                "request with another path, query or body: send a new key with a new request",
                parameter="Idempotency-Key",
            )
        body = self.vault.decrypt(used.body_encrypted).encode()
        raise Replay(Response(body, used.status, used.headers | REPLAYED))

    async def keep(self, response: Response) -> None:
        """Store the answer, or give the key back if it is no 2xx. The session's end commits it."""
        if response.status_code // 100 != 2:  # noqa: PLR2004 - the class of good answers
            await self.session.execute(delete(IdempotencyKey).where(*self._mine()))
            return
        await self.session.execute(
            update(IdempotencyKey)
            .where(*self._mine())
            .values(
                status=response.status_code,
                headers=dict(response.headers),
                body_encrypted=self.vault.encrypt(bytes(response.body).decode()),
            )
        )

    def _mine(self) -> tuple[Any, Any]:
        return IdempotencyKey.api_key_id == self.api_key_id, IdempotencyKey.key == self.key


def add_replay_handler(app: FastAPI) -> None:
    """Answer again what was answered before."""
    app.add_exception_handler(Replay, _answer_again)


async def _answer_again(_: Request, error: Exception) -> Response:
    assert isinstance(error, Replay)  # noqa: S101 - registered for it alone
    return error.answer

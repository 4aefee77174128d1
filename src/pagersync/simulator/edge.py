"""The door of the simulated API: who is let in, what is noted down, and what goes wrong.

A connection that has to break is closed under uvicorn's feet, through the transport of the
request's cycle: raising an error would make uvicorn answer 500 and log a traceback.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pagersync.simulator.faults import WORK_DONE, PlannedFault, draw_fault
from pagersync.simulator.options import SimulatorOptions
from pagersync.simulator.pagertree_state import PagerTreeState, SeenRequest

API_PREFIX = "/api/v4"

_BAD_GATEWAY = (
    "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
)


class ConnectionClosed(ConnectionError):
    """The connection would have been closed here; raised where there is none, as in a test."""


class Edge:
    """Stands before the API; everything that is not below `/api/v4` is let through."""

    def __init__(
        self,
        app: ASGIApp,
        options: Callable[[], SimulatorOptions],
        state: Callable[[], PagerTreeState],
    ) -> None:
        self._app = app
        self._options = options
        self._state = state
        self.planned: list[PlannedFault] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's lifespan."""
        if scope["type"] != "http" or not scope["path"].startswith(f"{API_PREFIX}/"):
            await self._app(scope, receive, send)
            return
        seen = self._note_down(scope)
        exchange = _Exchange(self._app, scope, receive, send, seen)
        refusal = self._refuse(Request(scope), seen)
        if self._options().trouble.outage == "closed":
            seen.fault = "outage"
            await exchange.hang_up()
        elif refusal is not None:
            await exchange.answer(refusal)
        else:
            await self._serve(exchange)

    def _note_down(self, scope: Scope) -> SeenRequest:
        requests = self._state().requests
        query = scope["query_string"].decode("latin-1")
        requests.append(SeenRequest(len(requests) + 1, scope["method"], scope["path"], query))
        return requests[-1]

    def _refuse(self, request: Request, seen: SeenRequest) -> Response | None:
        """Return the answer to a request that gets nowhere."""
        options = self._options()
        if options.trouble.outage == "unavailable":
            seen.fault = "outage"
            return self._with_retry_after(error_response(503, "Service Unavailable"))
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        is_good = scheme.lower() == "bearer" and key in options.api_keys
        if options.trouble.key_refused:
            seen.fault = "key_refused"
        if options.trouble.key_refused or not is_good:
            return error_response(401, "No valid API key provided.")
        return None

    async def _serve(self, exchange: "_Exchange") -> None:
        seen, trouble = exchange.seen, self._options().trouble
        fault = seen.fault = self._choose_fault(seen)
        if fault in WORK_DONE:
            await exchange.work()
        if fault in {"timeout_before", "timeout_after"}:
            await exchange.hold(trouble.hold_s)
        if fault in {"timeout_before", "timeout_after", "lost_response"}:
            await exchange.hang_up()
        elif fault == "truncated":
            await exchange.answer_half()
        elif fault == "slow":
            await exchange.hold(trouble.slow_s)
            await exchange.pass_on()
        elif fault is not None:
            await exchange.answer(self._failure(fault))
        else:
            await exchange.work()
            await exchange.pass_on()

    def _choose_fault(self, seen: SeenRequest) -> str | None:
        for planned in self.planned:
            if planned.befalls(seen.method, seen.path):
                planned.times -= 1
                return planned.fault
        options = self._options()
        return draw_fault(options.fault_rates, options.seed, seen.number)

    def _failure(self, fault: str) -> Response:
        if fault == "internal_error":
            return error_response(500, "Internal Server Error")
        if fault == "bad_gateway":
            return HTMLResponse(_BAD_GATEWAY, status_code=502)
        limited = error_response(429, "Too Many Requests")
        is_always = fault == "rate_limited_retry_after"
        return self._with_retry_after(limited, is_always=is_always)

    def _with_retry_after(self, response: Response, *, is_always: bool = False) -> Response:
        options = self._options()
        if is_always or options.unknowns.retry_after == "present":
            response.headers["retry-after"] = str(options.trouble.retry_after_s)
        return response


@dataclass(slots=True)
class _Exchange:
    """One request and its answer, which is held back until it is passed on."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send
    seen: SeenRequest
    messages: list[Message] = field(default_factory=list)

    async def work(self) -> None:
        """Do what was asked, and keep the answer."""
        await self.app(self.scope, self.receive, self._keep)

    async def _keep(self, message: Message) -> None:
        self.messages.append(message)

    async def pass_on(self) -> None:
        """Send the answer that was kept."""
        self.seen.status = self.messages[0]["status"]
        for message in self.messages:
            await self.send(message)

    async def answer(self, response: Response) -> None:
        """Send this answer."""
        self.seen.status = response.status_code
        await response(self.scope, self.receive, self.send)

    async def answer_half(self) -> None:
        """Send the head of the answer that was kept and half of its body, and hang up."""
        start = self.messages[0]
        self.seen.status = start["status"]
        body = b"".join(message.get("body", b"") for message in self.messages[1:])
        await self.send(start)
        half = body[: len(body) // 2]
        await self.send({"type": "http.response.body", "body": half, "more_body": True})
        await self.hang_up()

    async def hold(self, hold_s: float) -> None:
        """Be silent for some time, until the client is gone, or until the server ends."""
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(hold_s):
                await self._until_gone()

    async def hang_up(self) -> None:
        """Close the connection, without a word.

        Raises:
            ConnectionClosed: There is none: the server is not uvicorn.
        """
        transport = getattr(getattr(self.receive, "__self__", None), "transport", None)
        if transport is None:
            raise ConnectionClosed(f"{self.seen.method} {self.seen.path}: {self.seen.fault}")
        transport.close()
        await self._until_gone()

    async def _until_gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass


def error_response(status: int, *messages: str) -> Response:
    """Make an answer in PagerTree's documented form of an error."""
    errors = [{"message": message} for message in messages or (HTTPStatus(status).phrase,)]
    body: dict[str, Any] = {"errors": errors, "code": status}
    return JSONResponse(body, status_code=status)

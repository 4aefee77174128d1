"""PagerTree's lists, as a test wants them: changed, refused and shifted at will, over real HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.support.server import serving

GOOD_KEY = "pagertree-key-that-works"


def team(number: int, name: str) -> dict[str, Any]:
    """Return a team as PagerTree lists it; its ids are made of the number."""
    return {"id": f"01TEAM{number:020}", "prefix_id": f"tem_{number}", "name": name}


def router(number: int, name: str) -> dict[str, Any]:
    """Return a router as PagerTree lists it."""
    return {"id": f"01ROUTER{number:018}", "prefix_id": f"rtr_{number}", "name": name}


def user(number: int, name: str, *emails: str) -> dict[str, Any]:
    """Return an account user as PagerTree lists it; the last address is the primary one."""
    shown = [{"email": email, "primary": email == emails[-1]} for email in emails]
    person = {"id": f"01PERSON{number:018}", "name": name, "emails": shown}
    return {"id": f"01USER{number:020}", "prefix_id": f"usr_{number}", "user": person}


@dataclass
class Lists:
    """One account at PagerTree.

    Attributes:
        url: the base of its API.
        rows: what it lists, by path.
        oncalls: its answer to who is on call, by team.
        refusing: statuses that it answers instead, by path.
        requests: the paths that were asked for, with where the page began.
        before_page: called before each page is answered.
    """

    url: str = ""
    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"teams": [], "account_users": [], "routers": []}
    )
    oncalls: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refusing: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    before_page: Callable[[str, int], Awaitable[None]] | None = None

    @classmethod
    @asynccontextmanager
    async def served(cls) -> AsyncIterator[Self]:
        """Yield an account whose API answers at `url`."""
        lists = cls()
        routes = [
            Route("/api/v4/teams/{id}/current_oncall", lists._answer_oncall),
            Route("/api/v4/{path}", lists._answer_page),
        ]
        async with serving(Starlette(routes=routes)) as url:
            lists.url = f"{url}/api/v4"
            yield lists

    async def _answer_page(self, request: Request) -> Response:
        path, query = request.path_params["path"], request.query_params
        offset, limit = int(query.get("offset", 0)), int(query["limit"])
        self.requests.append((path, offset))
        if self.before_page is not None:
            await self.before_page(path, offset)
        if refusal := self._refusal(request, path):
            return refusal
        rows = self.rows[path]
        more = offset + limit < len(rows)
        page = {"data": rows[offset : offset + limit], "has_more": more, "total_count": len(rows)}
        return JSONResponse(page)

    async def _answer_oncall(self, request: Request) -> Response:
        if refusal := self._refusal(request, "current_oncall"):
            return refusal
        return JSONResponse(self.oncalls.get(request.path_params["id"], []))

    def _refusal(self, request: Request, path: str) -> Response | None:
        status = self.refusing.get(path)
        if request.headers["authorization"] != f"Bearer {GOOD_KEY}":
            status = 401
        if status is None:
            return None
        body = {"errors": [{"message": f"no {path} for you"}], "code": status}
        return JSONResponse(body, status_code=status)

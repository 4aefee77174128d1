"""PagerTree's REST API v4, as far as alerts, teams, people and routers go.

The texts of the errors are ours; their shape is PagerTree's. Answers for an alert are the alert
itself, lists are `{"data": [...], "has_more", "total_count"}`, and who is on call is a bare list.
"""

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pagersync.simulator.alert_params import InvalidParamsError, changed_fields, permit
from pagersync.simulator.alert_views import alert_view, comment_view, shown
from pagersync.simulator.directory import Team
from pagersync.simulator.directory_views import (
    account_user_view,
    on_call_view,
    router_view,
    team_view,
    user_view,
)
from pagersync.simulator.edge import API_PREFIX, error_response
from pagersync.simulator.lifecycle import NotAllowedError
from pagersync.simulator.listing import cut_page, select_rows
from pagersync.simulator.pagertree_state import Alert, now

if TYPE_CHECKING:
    from pagersync.simulator.simulator import Simulator

Row = dict[str, Any]


class Api:
    """The routes below `/api/v4`."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        """Return all routes."""
        alert, team = "/alerts/{id}", "/teams/{id}"
        paths: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", "/alerts", self._list_alerts),
            ("POST", "/alerts", self._create_alert),
            ("GET", alert, self._show_alert),
            ("PUT", alert, self._update_alert),
            ("DELETE", alert, self._delete_alert),
            ("POST", f"{alert}/acknowledge", self._act),
            ("POST", f"{alert}/reject", self._act),
            ("POST", f"{alert}/resolve", self._act),
            ("GET", f"{alert}/comments", self._list_comments),
            ("POST", f"{alert}/comments", self._create_comment),
            ("GET", f"{team}/current_oncall", self._show_on_call),
            ("GET", f"{team}/alerts", self._list_team_alerts),
        ]
        for name in ("teams", "routers", "account_users", "users"):
            paths.append(("GET", f"/{name}", self._list_things))
            paths.append(("GET", f"/{name}/{{id}}", self._show_thing))
        return [
            Route(f"{API_PREFIX}{path}", handle, methods=[method]) for method, path, handle in paths
        ]

    async def _list_alerts(self, request: Request) -> Response:
        return self._page_of(self._simulator.searchable_alerts(), request)

    async def _list_team_alerts(self, request: Request) -> Response:
        team = self._find_team(request)
        alerts = self._simulator.searchable_alerts()
        return self._page_of([alert for alert in alerts if team in alert.destinations], request)

    def _page_of(self, alerts: Sequence[Alert], request: Request) -> Response:
        params = dict(request.query_params)
        if self._simulator.options.search.search == "ignores_thirdparty_id":
            params.pop("thirdparty_id", None)
        page = cut_page(select_rows([self._view(alert) for alert in alerts], params), params)
        unknowns = self._simulator.options.unknowns
        return JSONResponse({**page, "data": [shown(row, unknowns) for row in page["data"]]})

    async def _create_alert(self, request: Request) -> Response:
        unknowns = self._simulator.options.unknowns
        alert = self._simulator.create_alert(permit(await _read_json(request), unknowns))
        return self._alert(alert, unknowns.create_status)

    async def _show_alert(self, request: Request) -> Response:
        return self._alert(self._find_alert(request))

    async def _update_alert(self, request: Request) -> Response:
        alert, unknowns = self._find_alert(request), self._simulator.options.unknowns
        params = permit(await _read_json(request), unknowns)
        directory = self._simulator.directory
        alert.fields, destinations = changed_fields(alert.fields, params, directory, unknowns)
        alert.destinations = destinations or alert.destinations
        alert.touch()
        return self._alert(alert)

    async def _delete_alert(self, request: Request) -> Response:
        self._simulator.delete_alert(self._find_alert(request))
        return Response(status_code=204)

    async def _act(self, request: Request) -> Response:
        alert = self._find_alert(request)
        action = request.url.path.rpartition("/")[2]
        self._simulator.act(alert.id, action, by=self._simulator.directory.account_users[0])
        if self._simulator.options.unknowns.action_answer == "empty":
            return Response()
        return self._alert(alert)

    async def _list_comments(self, request: Request) -> Response:
        rows = [comment_view(comment) for comment in self._find_alert(request).comments]
        params = dict(request.query_params)
        return JSONResponse(cut_page(select_rows(rows, params), params))

    async def _create_comment(self, request: Request) -> Response:
        alert = self._find_alert(request)
        text = str((await _read_json(request)).get("body") or "")
        if not text.strip():
            raise InvalidParamsError(["body can't be blank"])
        comment = self._simulator.comment(alert, text)
        return JSONResponse(comment, self._simulator.options.unknowns.create_status)

    async def _show_on_call(self, request: Request) -> Response:
        return JSONResponse(on_call_view(self._find_team(request), now()))

    async def _list_things(self, request: Request) -> Response:
        rows = self._things(request.url.path.split("/")[3])
        params = dict(request.query_params)
        return JSONResponse(cut_page(select_rows(rows, params), params))

    async def _show_thing(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        for row in self._things(request.url.path.split("/")[3]):
            if id_ in (row["id"], row["prefix_id"]):
                return JSONResponse(row)
        raise HTTPException(404)

    def _things(self, name: str) -> list[Row]:
        directory = self._simulator.directory
        return {
            "teams": lambda: [team_view(team, directory) for team in directory.teams],
            "routers": lambda: [router_view(router, directory) for router in directory.routers],
            "account_users": lambda: [
                account_user_view(person, directory) for person in directory.account_users
            ],
            "users": lambda: [user_view(person) for person in directory.account_users],
        }[name]()

    def _find_alert(self, request: Request) -> Alert:
        alert = self._simulator.state.find_alert(request.path_params["id"])
        if alert is None:
            raise HTTPException(404)
        return alert

    def _find_team(self, request: Request) -> Team:
        team = self._simulator.directory.find(request.path_params["id"])
        if not isinstance(team, Team):
            raise HTTPException(404)
        return team

    def _view(self, alert: Alert) -> Row:
        return alert_view(alert, self._simulator.directory, self._simulator.options.unknowns)

    def _alert(self, alert: Alert, status: int = 200) -> Response:
        return JSONResponse(shown(self._view(alert), self._simulator.options.unknowns), status)


async def _read_json(request: Request) -> Row:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        raise HTTPException(400) from None
    if not isinstance(body, dict):
        raise HTTPException(400)
    return body


async def answer_error(_request: Request, error: Exception) -> Response:
    """Turn an error into PagerTree's shape of it; others are not ours to answer."""
    if isinstance(error, InvalidParamsError):
        return error_response(422, *error.messages)
    if isinstance(error, NotAllowedError):
        return error_response(422, str(error))
    if not isinstance(error, HTTPException):
        raise error
    response = error_response(error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response

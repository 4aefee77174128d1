"""What only a test may do: look behind the API, break it, and act as a person in PagerTree's app.

Nothing here exists at PagerTree. There is no authentication; the command serves on 127.0.0.1.
"""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pagersync.simulator.edge import error_response

if TYPE_CHECKING:
    from pagersync.simulator.simulator import Simulator


class Control:
    """The routes below `/control`."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator

    def routes(self) -> list[Route]:
        """Return all routes."""
        paths: list[tuple[str, str, Callable[..., Any]]] = [
            ("GET", "", self._show_options),
            ("PATCH", "", self._change),
            ("GET", "/alerts", self._list_alerts),
            ("POST", "/alerts", self._add_alert),
            ("POST", "/alerts/{id}/{action}", self._act),
            ("GET", "/notifications", self._list_notifications),
            ("GET", "/requests", self._list_requests),
            ("POST", "/faults", self._plan_fault),
            ("POST", "/reset", self._reset),
        ]
        return [Route(f"/control{path}", handle, methods=[verb]) for verb, path, handle in paths]

    async def _show_options(self, _request: Request) -> Response:
        return JSONResponse(self._simulator.shown_options())

    async def _change(self, request: Request) -> Response:
        try:
            self._simulator.change(**await _read(request))
        except ValueError as error:
            return error_response(422, str(error))
        return JSONResponse(self._simulator.shown_options())

    async def _list_alerts(self, request: Request) -> Response:
        return JSONResponse(self._simulator.alerts(request.query_params.get("marker")))

    async def _add_alert(self, request: Request) -> Response:
        return JSONResponse(self._simulator.add_alert(**await _read(request)), 201)

    async def _act(self, request: Request) -> Response:
        path, body = request.path_params, await _read(request)
        try:
            alert = self._simulator.act(path["id"], path["action"], to=body.get("to"))
        except LookupError as error:
            raise HTTPException(404, str(error.args[0])) from None
        return JSONResponse(alert)

    async def _list_notifications(self, request: Request) -> Response:
        return JSONResponse(self._simulator.notifications(request.query_params.get("target")))

    async def _list_requests(self, _request: Request) -> Response:
        return JSONResponse(self._simulator.requests())

    async def _plan_fault(self, request: Request) -> Response:
        try:
            self._simulator.fail_next(**await _read(request))
        except (TypeError, ValueError) as error:
            return error_response(422, str(error))
        return Response(status_code=204)

    async def _reset(self, _request: Request) -> Response:
        self._simulator.reset()
        return Response(status_code=204)


async def _read(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        raise HTTPException(400, "the body is no JSON") from None
    if not isinstance(document, dict):
        raise HTTPException(400, "the body must be an object")
    return document

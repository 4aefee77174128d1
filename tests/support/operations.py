"""Every operation of the API, with what its guard asks for."""

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from pagersync.access.guard import Guard, operation_id
from pagersync.access.models import Scope


@dataclass(frozen=True)
class Operation:
    """One operation: `listAlerts`, its method, path and guard."""

    name: str
    method: str
    path: str
    guard: Guard | None


def operations_of(app: FastAPI) -> dict[str, Operation]:
    """Return every operation under `/v1`, in the order of the API's document."""
    found = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or not (context.path or "").startswith("/v1/"):
            continue
        assert route.methods
        (method,) = route.methods
        name = operation_id(route)
        found[name] = Operation(name, method, context.path or "", _guard(route))
    return found


def _guard(route: APIRoute) -> Guard | None:
    """Return what a router and a route ask for together."""
    calls = [each.call for each in route.dependant.dependencies]
    guards = [each for each in calls if isinstance(each, Guard)]
    if not guards:
        return None
    scope = max((each.scope for each in guards), key=list(Scope).index)
    return Guard(scope, is_for_bound=all(each.is_for_bound for each in guards))

"""What a route asks of its caller: `dependencies=[needs(Scope.READ)]`."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pagersync.access.keys import allows
from pagersync.access.limits import READING
from pagersync.access.login import KeyInUse
from pagersync.access.models import Scope
from pagersync.database.caller import CALLER, Caller
from pagersync.errors import ForbiddenError

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer_auth",
    description="An API key of pagersync: `pagersync keys create NAME` prints one.",
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]

RESOURCE_AT: Final = 2
"""`/v1/alerts/{id}`: which part of a path says what it is about."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets only keys with a scope through, and says to sessions and the audit log who came.

    Attributes:
        scope: what a key needs.
        is_for_bound: whether keys that are bound to one integration may do it. They see nothing of
            others there; what concerns all is not for them.
    """

    scope: Scope
    is_for_bound: bool

    async def __call__(self, request: Request, _credentials: Bearer) -> KeyInUse:
        """Let a request through.

        Raises:
            ForbiddenError: its key may not do this.
        """
        key: KeyInUse = request.state.api_key
        if not allows(key.scopes, self.scope):
            raise ForbiddenError(f"this needs an API key with the scope {self.scope.value!r}")
        if key.integration_id is not None and not self.is_for_bound:
            raise ForbiddenError(
                "this API key is bound to one integration, and this concerns all of them"
            )
        CALLER.set(self._caller(request, key))
        return key

    def _caller(self, request: Request, key: KeyInUse) -> Caller:
        route: APIRoute = request.scope["route"]
        earlier = CALLER.get()  # where a router asks for one scope, and the route for more
        changes = request.method not in READING and self.scope is not Scope.READ
        return Caller(
            kind="api_key",
            id=key.id,
            name=key.name,
            operation=operation_id(route),
            resource_type=route.path.split("/")[RESOURCE_AT],
            resource_id=next(iter(request.path_params.values()), None),
            address=request.client.host if request.client else None,
            request_id=getattr(request.state, "request_id", None),
            integration_id=key.integration_id,
            is_audited=changes or (earlier is not None and earlier.is_audited),
        )


def needs(scope: Scope, *, bound: bool = False) -> Any:
    """Return the dependency that lets only keys with `scope` through.

    Args:
        scope: what a key needs.
        bound: let keys in that are bound to one integration, too.
    """
    return Depends(Guard(scope, is_for_bound=bound))


def operation_id(route: APIRoute) -> str:
    """Name operations as Rootly's document does: `listAlerts`."""
    first, *rest = route.name.split("_")
    return route.operation_id or first + "".join(word.capitalize() for word in rest)


def requester(request: Request) -> str:
    """Return who makes a request that passed the guard, for people."""
    key: KeyInUse = request.state.api_key
    return f"the API key {key.name!r}"

"""What a route asks of its caller: `dependencies=[needs(Scope.READ)]`."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pagersync.access.keys import allows, authenticate
from pagersync.access.models import ApiKey, Scope
from pagersync.errors import ForbiddenError, UnauthorizedError

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer_auth",
    description="An API key of pagersync: `pagersync keys create NAME` prints one.",
)

Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]


def needs(scope: Scope) -> Any:
    """Return the dependency that lets only keys with `scope` through."""
    return Depends(_guard(scope))


def _guard(scope: Scope) -> Callable[[Request, Bearer], Awaitable[ApiKey]]:
    async def guard(request: Request, credentials: Bearer) -> ApiKey:
        if credentials is None:
            raise UnauthorizedError("send an API key: `Authorization: Bearer KEY`")
        key = await authenticate(request.state.sessions, credentials.credentials)
        if not allows(key.scopes, scope):
            raise ForbiddenError(f"this needs an API key with the scope {scope.value!r}")
        request.state.api_key = key
        return key

    return guard

"""The one session dependency of routes: it commits before the answer goes out."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Yield a session whose transaction is committed when the route returns.

    It must be used with `scope="function"`: the code after `yield` of an ordinary dependency runs
    after the response has been sent, and a commit that fails there has already been promised.
    """
    async with request.state.sessions.begin() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]

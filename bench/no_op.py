"""What `serve` would do if a webhook cost nothing: read the body, answer 202.

Run as `python -m bench.no_op PORT`, under the very server that `pagersync serve` runs on.
"""

import sys
from collections.abc import Callable
from typing import Final, cast

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from pagersync.serve import serve
from pagersync.settings import Settings

ANSWER: Final = (
    b'{"data": {"id": "01900000-0000-7000-8000-000000000000", "type": "deliveries"}, '
    b'"meta": {"created": true}}'
)


async def no_op(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one connection, or the lifespan."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    while (await receive()).get("more_body", False):
        pass
    headers = [
        (b"content-type", b"application/vnd.api+json"),
        (b"content-length", str(len(ANSWER)).encode()),
    ]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


async def live(receive: Receive, send: Send) -> None:
    """Answer for the lifespan: nothing is to be started or stopped."""
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


def serve_alone(app: ASGIApp, port: int) -> None:
    """Serve an application as `pagersync serve` serves its own, in one process."""

    def create(_: Settings) -> ASGIApp:
        return app

    serve(
        Settings(port=port),
        cast("Callable[[Settings], FastAPI]", create),  # uvicorn only asks for an ASGI application
        "",
        processes=1,
    )


if __name__ == "__main__":
    serve_alone(no_op, int(sys.argv[1]))

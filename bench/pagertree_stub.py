"""A PagerTree that costs next to nothing: it takes alerts, and tells when each came.

Run as `python -m bench.pagertree_stub PORT`. `GET /arrivals` tells it, and forgets it: for each
alert its title and when its request was there, by the monotonic clock that all processes share.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from time import monotonic
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from bench.no_op import live, serve_alone

TEAM: Final = {"id": "01JBENCH00000000000000TEAM", "prefix_id": "tem_bench", "name": "Bench"}
LISTS: Final[Mapping[str, list[Any]]] = {"/teams": [TEAM], "/account_users": [], "/routers": []}

_numbers = count(1)
_arrivals: list[tuple[str, float]] = []


async def stub(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one request, or the lifespan."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    arrived_s = monotonic()
    body = await _read(receive)
    if scope["method"] == "POST":
        await _answer(send, 201, _create_alert(json.loads(body), arrived_s))
    elif scope["path"] == "/arrivals":
        await _answer(send, 200, _arrivals.copy())
        _arrivals.clear()
    else:
        rows = LISTS.get(scope["path"], [])
        await _answer(send, 200, {"data": rows, "has_more": False, "total_count": len(rows)})


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _create_alert(new: dict[str, Any], arrived_s: float) -> dict[str, Any]:
    """Return an alert that pages people at once."""
    _arrivals.append((new["title"], arrived_s))
    number, now = next(_numbers), datetime.now(UTC).isoformat()
    return {
        "id": f"01JBENCH{number:018d}",
        "prefix_id": f"alt_bench{number}",
        "title": new["title"],
        "status": "open",
        "urgency": new.get("urgency"),
        "thirdparty_id": new.get("thirdparty_id"),
        "tags": new.get("tags", []),
        "created_at": now,
        "updated_at": now,
    }


async def _answer(send: Send, status: int, document: object) -> None:
    body = json.dumps(document).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    serve_alone(stub, int(sys.argv[1]))

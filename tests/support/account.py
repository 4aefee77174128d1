"""PagerTree's end of a webhook, and bodies as it sends them."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pagersync.http import AsyncClient, Response


@dataclass(frozen=True)
class Account:
    """A connected account."""

    id: UUID
    url: str
    secret: str
    client: AsyncClient

    async def post(self, body: bytes | dict[str, Any], **options: Any) -> Response:
        """Send a body with the right secret."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.client.post(
            self.url, params={"secret": self.secret}, content=content, **options
        )


def event(type_: str = "alert.created", id_: str = "alt_1", **data: Any) -> dict[str, Any]:
    """Return a webhook body with the given fields in `data`."""
    return {"type": type_, "data": {"id": id_, **data}}

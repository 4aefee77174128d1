"""The webhook endpoint, which stands in front of FastAPI, as the document has it."""

from typing import Any, Final

from pagersync.inbox.endpoint import PREFIX
from pagersync.jsonapi import MEDIA_TYPE
from pagersync.pagertree.payloads import EVENT_TYPES

PATH: Final = f"{PREFIX}{{integration_id}}"

SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "webhook_secret": {
        "type": "apiKey",
        "in": "query",
        "name": "secret",
        "description": "The secret that came with the integration.",
    },
    "webhook_basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Any user name, the secret as the password. PagerTree's form without the "
        "`Basic ` prefix is understood as well.",
    },
    "webhook_bearer": {"type": "http", "scheme": "bearer", "description": "The secret itself."},
}

EXAMPLE: Final[dict[str, Any]] = {
    "type": "alert.acknowledged",
    "data": {
        "id": "alt_K22OuvPYNmCyvJ",
        "sid": "acc_7FTuJcDn3x2Lp0",
        "createdAt": "2026-03-01T03:00:00.000Z",
        "updatedAt": "2026-03-01T03:02:10.482Z",
        "title": "Checkout is slow",
        "description": "p99 of POST /checkout over 2 s for five minutes",
        "status": "acknowledged",
        "urgency": "high",
        "acknowledged": 1772334130,
    },
}


def _answer(description: str, *, example: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"type": "object"}, "example": example}
    return (
        {"description": description, "content": {MEDIA_TYPE: content}}
        if example
        else {"description": description}
    )


WEBHOOK: Final[dict[str, Any]] = {
    "tags": ["Webhooks in"],
    "operationId": "receivePagertreeWebhook",
    "summary": "Receive an event of PagerTree's outgoing webhook",
    "description": "The body is committed, byte for byte, before the answer. The same bytes again "
    "are the same delivery. Events other than the eight about alerts are kept and ignored.",
    "security": [{"webhook_secret": []}, {"webhook_basic": []}, {"webhook_bearer": []}],
    "parameters": [
        {
            "name": "integration_id",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "Only `type` and `data.id` are needed; anything else may be missing or "
        "added. Any content type is accepted.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {
                        "type": {"type": "string", "examples": sorted(EVENT_TYPES)},
                        "data": {
                            "type": "object",
                            "properties": {
                                "id": {"type": "string", "minLength": 1, "maxLength": 255}
                            },
                        },
                    },
                },
                "example": EXAMPLE,
            }
        },
    },
    "responses": {
        "202": _answer(
            "Committed, now (`created`) or by an earlier request.",
            example={
                "data": {"id": "019a3c50-0d5e-7aa0-8000-5f3d1c2b4a69", "type": "deliveries"},
                "meta": {"created": True},
            },
        ),
        "401": _answer("The secret is missing or wrong, or there is no such integration."),
        "403": _answer("The integration is disabled."),
        "405": _answer("Only POST makes sense here."),
        "408": _answer("The body did not arrive in time."),
        "413": _answer("The body is over the limit."),
        "422": _answer("Kept as `invalid`: no JSON object, or `type` or `data.id` is missing."),
        "503": _answer("Not stored; send it again after `Retry-After` seconds."),
    },
}

"""The API's own documentation: `/docs` and `/redoc` without a CDN, and the webhook in OpenAPI."""

from pathlib import Path
from typing import Any, Final

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse

from pagersync.errors import NotFoundError
from pagersync.inbox.endpoint import PREFIX
from pagersync.jsonapi import MEDIA_TYPE, Errors
from pagersync.pagertree.payloads import EVENT_TYPES

ASSETS: Final = Path(fastapi_offline.__file__).parent / "static"
"""Swagger UI and ReDoc, as the package fastapi-offline carries them."""

DESCRIPTION: Final = """
pagersync receives PagerTree's alert events and keeps them as alerts, once each, whatever their
order.

Answers are [JSON:API](https://jsonapi.org) documents. Send an API key as
`Authorization: Bearer KEY`; `pagersync keys create NAME` prints one. Every error has the same
shape, with a stable `code` and a `detail` that says what to do. A POST with an `Idempotency-Key`
can be sent again: it has one effect and one answer.
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def swagger_ui(request: Request) -> HTMLResponse:
    """Show the API, ready to try."""
    root = request.scope.get("root_path", "")
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="pagersync API",
        swagger_js_url=f"{root}/docs/assets/swagger-ui-bundle.js",
        swagger_css_url=f"{root}/docs/assets/swagger-ui.css",
        swagger_favicon_url=f"{root}/docs/assets/favicon.png",
    )


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Show the API, to read."""
    root = request.scope.get("root_path", "")
    return get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title="pagersync API",
        redoc_js_url=f"{root}/docs/assets/redoc.standalone.js",
        redoc_favicon_url=f"{root}/docs/assets/favicon.png",
        with_google_fonts=False,
    )


@router.get("/docs/assets/{name}")
async def asset(name: str) -> FileResponse:
    """Serve a file of the documentation pages."""
    path = ASSETS / name
    if path.parent != ASSETS or not path.is_file():
        raise NotFoundError(f"there is no file {name!r}")
    return FileResponse(path)


def describe_webhook(app: FastAPI) -> None:
    """Add the webhook endpoint, which stands in front of FastAPI, to the OpenAPI document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=TAGS,
            )
            components = schema["components"]
            components["schemas"].setdefault("Error", Errors.model_json_schema()["$defs"]["Error"])
            components["schemas"].setdefault("Errors", ERRORS_SCHEMA)
            components["securitySchemes"] |= SECURITY_SCHEMES
            schema["paths"][f"{PREFIX}{{integration_id}}"] = {"post": WEBHOOK}
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it


TAGS: Final = [
    {"name": "Alerts", "description": "Alerts and what happened to them."},
    {"name": "Workflows", "description": "What is done when something happens, and what was."},
    {"name": "Integrations", "description": "Connected PagerTree accounts."},
    {"name": "Directory", "description": "Whom PagerTree can page, and who is on call."},
    {"name": "Deliveries", "description": "Webhook bodies as they came, and replay."},
    {"name": "API keys", "description": "Who may do what."},
    {"name": "Audit log", "description": "Who changed what, when, from where."},
    {"name": "Webhooks in", "description": "What PagerTree calls."},
    {"name": "Health", "description": "For whoever watches the service."},
]

ERRORS_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Errors",
    "description": "The answer to a request that could not be served.",
    "required": ["errors"],
    "properties": {"errors": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}}},
}

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
    schema = {"type": "object"} if example else {"$ref": "#/components/schemas/Errors"}
    content: dict[str, Any] = {"schema": schema}
    if example:
        content["example"] = example
    return {"description": description, "content": {MEDIA_TYPE: content}}


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

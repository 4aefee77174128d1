"""The API's own documentation: `/docs`, `/redoc` without a CDN, and the document they show."""

import base64
import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, Response

from pagersync.errors import NotFoundError
from pagersync.threads import INTERACTIVE, run_in

ASSETS: Final = Path(fastapi_offline.__file__).parent / "static"
"""Swagger UI and ReDoc, as the package fastapi-offline carries them."""

USED_BY_SWAGGER: Final = {
    "persistAuthorization": False,  # a key that was entered is kept nowhere in the browser
    "tryItOutEnabled": True,
    "displayRequestDuration": True,
    "deepLinking": True,
    "docExpansion": "none",
}

INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
CSP: Final = (
    "default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Both pages write styles into their elements, and ReDoc searches in a worker of its own."""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def swagger_ui(request: Request) -> HTMLResponse:
    """Show the API, ready to try."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="pagersync API",
        swagger_js_url=f"{root}/docs/assets/swagger-ui-bundle.js",
        swagger_css_url=f"{root}/docs/assets/swagger-ui.css",
        swagger_ui_parameters=USED_BY_SWAGGER,
        swagger_favicon_url=f"{root}/docs/assets/favicon.png",
    )
    return _allowed(page)


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Show the API, to read."""
    root = request.scope.get("root_path", "")
    page = get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title="pagersync API",
        redoc_js_url=f"{root}/docs/assets/redoc.standalone.js",
        redoc_favicon_url=f"{root}/docs/assets/favicon.png",
        with_google_fonts=False,
    )
    return _allowed(page)


def _allowed(page: HTMLResponse) -> HTMLResponse:
    """Let a page load what it is made of: our own files, and the script that stands in it."""
    scripts = INLINE_SCRIPT.findall(bytes(page.body).decode())
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    page.headers["Content-Security-Policy"] = CSP.format(hashes=hashes)
    return page


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@router.get("/docs/assets/{name}")
async def asset(name: str) -> FileResponse:
    """Serve a file of the documentation pages."""
    path = ASSETS / name
    if path.parent != ASSETS or not path.is_file():
        raise NotFoundError(f"there is no file {name!r}")
    return FileResponse(path)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """Answer the document, made once for each path that the service stands under.

    That takes a second. It happens in the only thread there is for it, so whoever asks meanwhile
    finds it made.
    """
    root = request.scope.get("root_path", "")
    body = await run_in(INTERACTIVE, _body, request.app, root)
    return Response(body, media_type="application/json")


@lru_cache(maxsize=4)
def _body(app: FastAPI, root: str) -> bytes:
    document = app.openapi()
    if root:
        document = document | {"servers": [{"url": root}]}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

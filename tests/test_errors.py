"""Every failure has the one shape, and a code that is listed."""

import importlib
import inspect
import os
import pkgutil
import re
from pathlib import Path

import pytest

import pagersync
from pagersync.app import create_app
from pagersync.database.base import new_id
from pagersync.errors import PagersyncError
from pagersync.http import AsyncClient
from pagersync.openapi.answers import error_classes
from pagersync.settings import Settings
from tests.support.operations import operations_of

ERRORS_MD = Path(__file__).parents[1] / "docs" / "errors.md"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/v1/nowhere", 404, "not_found"),
        ("DELETE", "/v1/alerts", 405, "method_not_allowed"),
        ("GET", "/docs/assets/nothing.js", 404, "not_found"),
        ("GET", "/v1/deliveries/x", 422, "invalid"),
    ],
)
async def test_every_error_has_title_status_code_and_detail(
    api: AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await api.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/vnd.api+json")
    (error,) = answer.json()["errors"]
    assert (error["status"], error["code"]) == (str(status), code)
    assert error["title"]
    assert error["detail"]


async def test_a_body_over_the_limit_is_413(api: AsyncClient, settings: Settings) -> None:
    answer = await api.post("/v1/integrations", content=b"x" * (settings.body_bytes_max + 1))
    assert answer.status_code == 413
    (error,) = answer.json()["errors"]
    assert error["code"] == "body_too_large"


async def test_a_405_names_every_method_that_the_path_has(api: AsyncClient) -> None:
    answer = await api.delete("/v1/severities")
    assert answer.headers["allow"] == "GET, POST"
    (error,) = answer.json()["errors"]
    assert error["detail"] == "method not allowed: allowed are GET, POST"


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_is_400(api: AsyncClient, body: bytes) -> None:
    answer = await api.post(
        "/v1/integrations", content=body, headers={"Content-Type": "application/vnd.api+json"}
    )
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["status"], error["code"]) == (400, "400", "malformed")


async def test_a_body_that_is_missing_is_422(api: AsyncClient) -> None:
    assert (await api.post("/v1/integrations", content=b"")).status_code == 422


async def test_every_get_refuses_a_query_parameter_that_does_not_exist(
    api: AsyncClient, settings: Settings
) -> None:
    gets = [each for each in operations_of(create_app(settings)).values() if each.method == "GET"]
    assert len(gets) > 40
    for each in gets:
        path = re.sub(r"\{\w+\}", str(new_id()), each.path)
        for parameter in ("filter[nonsense]", "includes", "id"):
            answer = await api.get(path, params={parameter: "1"})
            assert answer.status_code == 422, (path, parameter)
            (error,) = answer.json()["errors"]
            assert error["source"] == {"parameter": parameter}, path
            assert "there is no such parameter; " in error["detail"]
        fields = await api.get(path, params={"fields[nonsense]": "1"})
        assert fields.status_code in {200, 404}, path


def table() -> str:
    """Return the table of docs/errors.md, from the error classes of the whole package."""
    for module in pkgutil.walk_packages(pagersync.__path__, "pagersync."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds: dict[tuple[int, str], type[PagersyncError]] = {}
    for kind in error_classes():
        if kind.__module__.startswith("pagersync."):
            kinds.setdefault((kind.status, kind.code), kind)  # the more general one comes first
    rows = [
        f"| `{code}` | {status} | {kind.title} | {meaning(kind)} |"
        for (status, code), kind in sorted(kinds.items())
    ]
    return "\n".join(["| code | status | title | meaning |", "|---|---|---|---|", *rows])


def meaning(kind: type[PagersyncError]) -> str:
    if kind is PagersyncError:
        return "Our fault: the log has the rest, under the request's id."
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def test_every_code_stands_in_the_docs() -> None:
    """Where this fails, `UPDATE_DOCS=1` in the environment writes the table anew."""
    text = ERRORS_MD.read_text()
    before, start, rest = text.partition("<!-- made by tests/test_errors.py -->\n")
    _, end, after = rest.partition("\n<!-- end -->")
    if os.environ.get("UPDATE_DOCS"):
        ERRORS_MD.write_text(before + start + table() + end + after)
    assert table() in ERRORS_MD.read_text()

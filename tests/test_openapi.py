"""The API's document: valid, complete, and true."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiopenapi3 import OpenAPI
from fastapi.routing import iter_route_contexts
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel

from pagersync.access.idempotency import IdempotentRoute
from pagersync.app import create_app
from pagersync.http import AsyncClient
from pagersync.jsonapi import Timestamp
from pagersync.openapi.document import describe_api
from pagersync.openapi.events import Events
from pagersync.openapi.rules import NEVER_NULL, RULES
from pagersync.settings import Settings
from tests.test_schemathesis import REFUSED_FOR

WEBHOOK = "/webhooks/pagertree/{integration_id}"


@pytest.fixture(scope="module")
def document(settings: Settings) -> dict[str, Any]:
    return create_app(settings).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def check_example(document: dict[str, Any], content: dict[str, Any]) -> None:
    schema = content["schema"] | {"components": document["components"]}
    Draft202012Validator(schema).validate(content["example"])


def test_the_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_a_second_validator_reads_the_document_too(document: dict[str, Any]) -> None:
    """aiopenapi3 shares nothing with the first one, which is about JSON Schema's meta-schema.

    It reads a document into Pydantic models that take nothing unknown, resolves each reference,
    checks that the parameters of each path are declared, and makes a class of each schema. Of the
    validators that run without Node it is the one that notices a wrong reference and a misspelt
    field; openapi-pydantic lets both pass.
    """
    OpenAPI("http://localhost/openapi.json", json.loads(json.dumps(document)))
    shown = {"get": document["paths"]["/v1/alerts/{id}"]["get"] | {"parameters": []}}
    broken = document | {"paths": {"/v1/alerts/{id}": shown}, "webhooks": {}}
    with pytest.raises(Exception, match="id"):
        OpenAPI("http://localhost/openapi.json", json.loads(json.dumps(broken)))


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    found = list(operations(document))
    assert len(found) > 15
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    known = {tag["name"]: tag["description"] for tag in document["tags"]}
    for _, _, operation in found:
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]
        assert all(known.get(tag) for tag in operation["tags"]), operation["tags"]


def test_every_operation_says_how_it_fails_with_an_example_of_each(
    document: dict[str, Any],
) -> None:
    for path, _, operation in operations(document):
        answers = operation["responses"]
        if path.startswith(("/v1/", "/webhooks/")):
            assert operation["security"], path
            assert "401" in answers, path
        if path.startswith("/v1/"):
            assert answers.keys() >= {"401", "403", "429", "500", "503"}, path
            assert ("404" in answers) >= ("{" in path), path
            assert ({"400", "413", "422"} <= answers.keys()) >= ("requestBody" in operation), path
        for status, answer in answers.items():
            assert "Request-Id" in answer["headers"], path
            if int(status) >= 400 and path != "/readyz":
                (content,) = answer["content"].values()
                (error,) = content["example"]["errors"]
                assert (error["status"], bool(error["id"])) == (status, True), path


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    count = 0
    for path, _, operation in operations(document):
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [answer.get("content", {}) for answer in operation["responses"].values()]
        for content in contents:
            for media_type, each in content.items():
                if path.startswith(("/v1/", "/webhooks/")):
                    assert "example" in each, (path, media_type)
                    check_example(document, each)
                    count += 1
    assert count > 500


def test_headers_stand_where_they_can_come(document: dict[str, Any]) -> None:
    answers = document["paths"]["/v1/incidents/{id}"]["put"]["responses"]
    assert "ETag" in answers["200"]["headers"]
    assert "ETag" not in answers["412"]["headers"]
    assert "X-RateLimit-Remaining" in answers["200"]["headers"]
    assert "Retry-After" in answers["429"]["headers"]
    created = document["paths"]["/v1/incidents"]["post"]["responses"]["201"]
    assert "Idempotency-Replayed" in created["headers"]


def test_what_was_created_is_linked_to_what_can_be_done_with_it(document: dict[str, Any]) -> None:
    created = document["paths"]["/v1/severities"]["post"]["responses"]["201"]
    assert created["links"].keys() == {"getSeverity", "updateSeverity", "deleteSeverity"}
    assert created["links"]["getSeverity"]["parameters"] == {"id": "$response.body#/data/id"}
    tasks = document["paths"]["/v1/workflows/{workflow_id}/workflow_tasks"]["post"]
    assert "deleteWorkflowTask" in tasks["responses"]["201"]["links"]


def test_no_parameter_is_null(document: dict[str, Any]) -> None:
    for path, _, operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert {"type": "null"} not in parameter["schema"].get("anyOf", ()), path


def test_the_events_that_are_sent_can_be_described_in_one_line(settings: Settings) -> None:
    class Body(BaseModel):
        """An event."""

        event: str
        issued_at: Timestamp

    app = create_app(settings)
    events = Events({"page.sent": "A page went out."}, Body, {"webhook-id": "The event's id."})
    describe_api(app, events=events)
    document = app.openapi()
    OpenAPIV31SpecValidator(document | {"paths": {}}).validate()
    sent = document["webhooks"]["page.sent"]["post"]
    assert sent["description"] == "A page went out."
    check_example(document, sent["requestBody"]["content"]["application/json"])


def test_every_post_takes_an_idempotency_key(document: dict[str, Any], settings: Settings) -> None:
    posts = {
        path: operation
        for path, method, operation in operations(document)
        if method == "post" and path.startswith("/v1/")
    }
    assert len(posts) > 3
    for path, operation in posts.items():
        headers = {
            given["name"]: given["required"]
            for given in operation["parameters"]
            if given["in"] == "header"
        }
        is_rotation = "/rotate" in path  # of what has a version
        names = {"Idempotency-Key", *(["If-Match"] if is_rotation else [])}
        assert headers == dict.fromkeys(names, False), path
        assert ("412" in operation["responses"]) == is_rotation, path
        assert "409" in operation["responses"], path
    routes = [
        route.original_route
        for route in iter_route_contexts(create_app(settings).routes)
        if route.path in posts and "POST" in (route.methods or ())
    ]
    assert len(routes) == len(posts)
    assert all(isinstance(route, IdempotentRoute) for route in routes)


def test_only_posts_take_an_idempotency_key(document: dict[str, Any]) -> None:
    for _, method, operation in operations(document):
        names = {given["name"] for given in operation.get("parameters", ())}
        assert method == "post" or "Idempotency-Key" not in names, operation["operationId"]


def test_the_webhook_stands_in_the_document_with_examples(document: dict[str, Any]) -> None:
    webhook = document["paths"][WEBHOOK]["post"]
    content = webhook["requestBody"]["content"]["application/json"]
    assert content["example"]["data"]["id"]
    assert {"202", "401", "403", "405", "408", "413", "422", "503"} == webhook["responses"].keys()
    assert webhook["responses"]["202"]["content"]["application/vnd.api+json"]["example"]


async def test_the_documentation_needs_no_internet(server: str) -> None:
    async with AsyncClient(base_url=server, trust_env=False, timeout=60) as client:
        assert (await client.get("/openapi.json")).json()["info"]["title"] == "pagersync"
        for page in ("/docs", "/redoc"):
            html = (await client.get(page)).text
            assert "https://" not in html.replace("https://fastapi.tiangolo.com", "https://x")
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js"):
            answer = await client.get(f"/docs/assets/{asset}")
            assert answer.status_code == 200
            assert len(answer.content) > 100_000


async def test_a_person_can_try_a_call_with_a_key(server: str) -> None:
    async with AsyncClient(base_url=server, trust_env=False, timeout=60) as client:
        html = (await client.get("/docs")).text
        document = (await client.get("/openapi.json")).json()
    assert '"persistAuthorization": false' in html, "a key must not stay in the browser"
    assert '"tryItOutEnabled": true' in html
    assert document["servers"][0]["url"] == "/"
    scheme = document["components"]["securitySchemes"]["bearer_auth"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for path, method, operation in operations(document):
        if path.startswith("/v1/"):
            assert operation["security"] == [{"bearer_auth": []}], (method, path)


async def test_behind_a_path_of_a_proxy_the_document_says_so(settings: Settings) -> None:
    from httpx import ASGITransport  # noqa: PLC0415 - a root path is what a proxy's server sets

    app = create_app(settings, with_workers=False)
    transport = ASGITransport(app, root_path="/pagersync")
    async with AsyncClient(transport=transport, base_url="http://localhost") as client:
        document = (await client.get("/openapi.json")).json()
        html = (await client.get("/docs")).text
    assert document["servers"] == [{"url": "/pagersync"}]
    assert "/pagersync/openapi.json" in html


def test_every_rule_is_about_an_attribute_that_there_is(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for component, names in (*RULES.items(), *NEVER_NULL.items()):
        assert set(names) <= schemas[component]["properties"].keys(), component


def test_every_operation_that_may_be_refused_is_one(document: dict[str, Any]) -> None:
    names = {
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    assert REFUSED_FOR.keys() <= names

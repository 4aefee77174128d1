from collections.abc import AsyncIterator

import pytest

from pagersync.http import ASGITransport, AsyncClient
from pagersync.simulator.api import create_simulator_api

COLLECTIONS = ["teams", "account_users", "routers", "alerts"]
KEY = {"Authorization": "Bearer key-1"}


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    app = create_simulator_api(frozenset({"key-1", "key-2"}))
    async with AsyncClient(transport=ASGITransport(app), base_url="http://pagertree") as client:
        yield client


@pytest.mark.parametrize("collection", COLLECTIONS)
async def test_a_list_is_an_empty_page(client: AsyncClient, collection: str) -> None:
    response = await client.get(f"/api/v4/{collection}", params={"limit": 1}, headers=KEY)
    assert response.status_code == 200
    assert response.json() == {"data": [], "has_more": False, "total_count": 0}


async def test_each_key_is_let_in(client: AsyncClient) -> None:
    headers = {"Authorization": "Bearer key-2"}
    assert (await client.get("/api/v4/teams", headers=headers)).status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer nope", "Basic key-1", "key-1"])
@pytest.mark.parametrize("path", ["/api/v4/teams", "/api/v4/nothing"])
async def test_a_wrong_key_is_refused(client: AsyncClient, header: str, path: str) -> None:
    response = await client.get(path, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.json() == {"errors": [{"message": "No valid API key provided."}], "code": 401}


async def test_no_key_is_refused(client: AsyncClient) -> None:
    assert (await client.get("/api/v4/teams")).status_code == 401


@pytest.mark.parametrize("path", ["/", "/teams", "/api/v4/nothing", "/api/v4/teams/1"])
async def test_an_unknown_path_is_not_found(client: AsyncClient, path: str) -> None:
    response = await client.get(path, headers=KEY)
    assert response.status_code == 404
    assert response.json() == {"errors": [{"message": "Not Found"}], "code": 404}


async def test_a_method_that_is_not_there_has_an_error_of_the_same_shape(
    client: AsyncClient,
) -> None:
    response = await client.delete("/api/v4/teams", headers=KEY)
    assert response.status_code == 405
    assert response.json()["code"] == 405
    assert "GET" in response.headers["allow"]

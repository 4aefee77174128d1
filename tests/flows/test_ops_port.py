"""A port of its own for those who operate the service: strangers see nothing of how it is doing."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from pagersync.http import AsyncClient, HTTPError, Response
from pagersync.ops_port import is_hidden
from tests.support.account import event
from tests.support.program import ADMIN_KEY, Program, Setup, embedded_setup
from tests.support.wait import eventually

HIDDEN = ("/metrics", "/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css")


@pytest.fixture
def setup() -> Iterator[Setup]:
    with embedded_setup(PAGERTREE_API_KEY="planted-key") as setup:
        yield setup


def told(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.text.replace(answer.headers["request-id"], "")


async def addresses(program: Program, processes: str) -> list[str]:
    """Return the public address and the other one."""
    if processes == "1":
        ready = await program.says("pagersync is ready")
        return [ready["url"], ready["ops_url"]]
    starts = await program.says("pagersync starts")
    return [f"http://127.0.0.1:{starts[name]}" for name in ("port", "ops_port")]


async def answers(client: AsyncClient, url: str) -> bool:
    with suppress(HTTPError):
        return (await client.get(url)).status_code == 200
    return False


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_with_a_port_of_its_own_the_public_one_tells_strangers_nothing(
    setup: Setup, processes: str
) -> None:
    added = await setup.ask("integrations", "add", "acme", "--no-verify")
    ops = setup.having(PAGERSYNC_OPS_PORT="0")
    async with (
        ops.running("serve", "--processes", processes) as program,
        AsyncClient(trust_env=False, timeout=30) as client,
    ):
        public, internal = await addresses(program, processes)
        await eventually(lambda: answers(client, f"{public}/livez"), timeout_s=40)
        nowhere = told(await client.get(f"{public}/nowhere"))
        assert [told(await client.get(f"{public}{path}")) for path in HIDDEN] == [nowhere] * 5
        assert (await client.get(f"{public}/readyz")).json() == {"ready": True}
        assert (await client.get(f"{public}/livez")).status_code == 200
        for path in HIDDEN:
            assert (await client.get(f"{internal}{path}")).status_code == 200, path
        assert "queues" in (await client.get(f"{internal}/readyz")).json()
        hook = f"{public}/webhooks/pagertree/{added['id']}"
        posted = await client.post(hook, params={"secret": added["webhook_secret"]}, json=event())
        assert posted.status_code == 202
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        assert (await client.get(f"{public}/v1/alerts", headers=headers)).status_code == 200
        assert await program.terminate() == 0


@pytest.mark.parametrize(
    ("path", "root", "hidden"),
    [
        ("/docs", "", True),
        ("/docs/assets/x", "", True),
        ("/docsx", "", False),
        ("/ps/metrics", "/ps", True),
        ("/livez", "", False),
        ("/readyz", "", False),
        ("/v1/alerts", "", False),
    ],
)
def test_what_is_hidden_is_hidden_with_all_below_it(path: str, root: str, hidden: bool) -> None:  # noqa: FBT001 - a table
    assert is_hidden(path, root) is hidden

"""A lost secret key, as an operator meets it."""

from collections.abc import Iterator

import pytest

from pagersync.http import AsyncClient
from tests.support.account import event
from tests.support.program import Setup, embedded_setup


@pytest.fixture
def setup() -> Iterator[Setup]:
    with embedded_setup(PAGERTREE_API_KEY="planted-key") as setup:
        yield setup


async def test_a_lost_key_stops_serve_until_it_is_restored_or_given_up(setup: Setup) -> None:
    added = await setup.ask("integrations", "add", "acme", "--no-verify")
    key_file = setup.directory / "secret.key"
    key = key_file.read_text()
    key_file.unlink()
    for command in ("serve", "worker"):
        refused = await setup.run(command)
        assert refused.returncode == 1
        line = refused.stderr.splitlines()[-1]
        assert line.startswith("pagersync: the secret key is missing"), refused.stderr
        assert str(key_file) in line
    assert not key_file.exists()

    async with setup.running("serve", "--force") as program, AsyncClient(trust_env=False) as client:
        server = await program.url()
        url = f"{server}/webhooks/pagertree/{added['id']}"
        posted = await client.post(url, params={"secret": added["webhook_secret"]}, json=event())
        assert posted.status_code == 202, "what PagerTree tells is kept all the same"
        assert (await client.get(f"{server}/readyz")).status_code == 503
        assert await program.terminate() == 0

    key_file.write_text(key)
    async with setup.running("serve") as program, AsyncClient(trust_env=False) as client:
        ready = await client.get(f"{await program.url()}/readyz")
        assert (ready.status_code, ready.json()["secret_key"]) == (200, "ok")
        assert await program.terminate() == 0

    key_file.unlink()
    accepted = await setup.tell("secret-key", "accept", "--yes")
    assert "`pagersync integrations set-api-key 'acme'`" in accepted
    await setup.tell("integrations", "set-api-key", "acme", "--no-verify")
    assert "1 credentials" in await setup.tell("secret-key", "rotate")


async def test_a_new_key_is_printed(setup: Setup) -> None:
    assert len((await setup.tell("secret-key")).strip()) == 44

"""People are named by their names wherever an id of theirs is known, in whichever form."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from pagersync.database.engine import Sessions
from pagersync.database.session import driver_connection
from pagersync.integrations import service
from pagersync.integrations.directory_models import DirectoryKind
from pagersync.integrations.directory_names import Named, load_names
from pagersync.integrations.directory_store import write_listed
from pagersync.pagertree.resources import RemoteUser

ULID = "01HZZZZZZZZZZZZZZZZZZZZZZZ"


@pytest.fixture(params=["usr_9", "acu_9"])
async def account(sessions: Sessions, request: pytest.FixtureRequest) -> UUID:
    """Return an account with one user, whose prefix nobody can know."""
    async with sessions.begin() as session:
        new = await service.add_integration(session, name="acme")
        user = RemoteUser(ULID, request.param, "Olivia Ortiz", None)
        await write_listed(
            session, new.integration.id, {DirectoryKind.USER: [user]}, datetime.now(UTC)
        )
        return new.integration.id


@pytest.mark.parametrize("id_", ["usr_9", "acu_9", ULID])
async def test_a_person_is_named_by_any_id(sessions: Sessions, account: UUID, id_: str) -> None:
    who = Named(account, id_)
    async with sessions() as session:
        connection = await driver_connection(session)
        assert await load_names(connection, [who]) == {who: "Olivia Ortiz"}
        other = [Named(account, "tem_9"), Named(account, "usr_"), Named(UUID(int=1), id_)]
        assert await load_names(connection, other) == {}

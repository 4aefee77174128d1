"""Connections to PostgreSQL, and what their errors say."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pagersync.database.access import embedded_root, is_embedded
from pagersync.database.embedded import EmbeddedPostgres
from pagersync.database.engine import Sessions
from pagersync.settings import Settings


async def test_an_error_of_the_database_holds_no_value_that_was_sent_to_it(
    sessions: Sessions,
) -> None:
    statement = text("SELECT 1 / length(:secret) - 1 / 0")
    with pytest.raises(DBAPIError) as caught:
        async with sessions() as session:
            await session.execute(statement, {"secret": "s3cr3t-header"})
    assert "s3cr3t-header" not in f"{caught.value} {caught.value!r}"


def test_the_embedded_database_is_known_by_its_socket_in_every_process(tmp_path: Path) -> None:
    started = Settings(data_dir=tmp_path / "a b+c")
    url = EmbeddedPostgres(embedded_root(started)).url
    other_process = Settings(data_dir=started.data_dir, database_url=SecretStr(url))
    assert is_embedded(started.at_database(url))
    assert is_embedded(other_process)
    assert not is_embedded(other_process.model_copy(update={"data_dir": tmp_path}))

"""Connections to PostgreSQL, and what their errors say."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from pagersync.database.engine import Sessions


async def test_an_error_of_the_database_holds_no_value_that_was_sent_to_it(
    sessions: Sessions,
) -> None:
    statement = text("SELECT 1 / length(:secret) - 1 / 0")
    with pytest.raises(DBAPIError) as caught:
        async with sessions() as session:
            await session.execute(statement, {"secret": "s3cr3t-header"})
    assert "s3cr3t-header" not in f"{caught.value} {caught.value!r}"

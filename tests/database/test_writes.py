"""What is known of writes by how the newest ended."""

import asyncpg
import pytest

from pagersync.database.writes import Writes


@pytest.mark.parametrize(
    ("error", "is_over"),
    [(asyncpg.ReadOnlySQLTransactionError("x"), True), (asyncpg.DiskFullError("x"), False)],
)
def test_a_changed_row_ends_what_an_old_read_only_session_said_and_nothing_else(
    error: Exception, *, is_over: bool
) -> None:
    writes = Writes()
    writes.failed(error)
    assert writes.problem()
    writes.is_not_read_only()
    assert (writes.problem() is None) == is_over
    writes.failed(error)
    writes.succeeded()
    assert writes.problem() is None

"""A connection to the database that others on the network could read is found."""

import pytest

from pagersync.database.findings import travels_in_clear


@pytest.mark.parametrize(
    ("server", "is_encrypted", "expected"),
    [
        (None, False, False),
        ("127.0.0.1", False, False),
        ("::1", False, False),
        ("10.0.0.5", False, True),
        ("2001:db8::5", False, True),
        ("10.0.0.5", True, False),
    ],
)
def test_only_a_connection_through_the_network_without_tls_is_in_clear(
    server: str | None, *, is_encrypted: bool, expected: bool
) -> None:
    assert travels_in_clear(server, is_encrypted=is_encrypted) is expected

"""Where a secret may stand."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagersync.inbox.credentials import presented_secrets

ENCODED = base64.b64encode(b"user:s3cret").decode()


@pytest.mark.parametrize(
    ("query", "authorization", "expected"),
    [
        (b"", None, []),
        (b"secret=s3cret", None, ["s3cret"]),
        (b"a=1&secret=s3cret&b=2", None, ["s3cret"]),
        (b"secret=a%2Fb%2Bc", None, ["a/b+c"]),
        (b"secret=a&secret=b", None, ["a", "b"]),
        (b"secret=", None, []),
        (b"", b"Bearer s3cret", ["s3cret"]),
        (b"", f"Basic {ENCODED}".encode(), ["s3cret"]),
        (b"", ENCODED.encode(), ["s3cret"]),
        (b"", base64.b64encode(b"user:a:b"), ["a:b"]),
        (b"", base64.b64encode(b"no colon"), []),
        (b"", b"Digest s3cret", []),
        (b"secret=a", b"Bearer b", ["a", "b"]),
    ],
)
def test_a_secret_is_found_where_it_may_stand(
    query: bytes, authorization: bytes | None, expected: list[str]
) -> None:
    assert presented_secrets(query, authorization) == tuple(expected)


@given(st.binary(max_size=200), st.one_of(st.none(), st.binary(max_size=200)))
def test_nothing_a_stranger_sends_is_an_error(query: bytes, authorization: bytes | None) -> None:
    assert isinstance(presented_secrets(query, authorization), tuple)

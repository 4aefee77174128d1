"""Heads, chunk sizes and trailers without end: refused early, without memory or stall."""

import pytest

from tests.flood.attack import MIB, Watch, flood, resident_mib
from tests.support.program import Program

POST = b"POST /v1/pages HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
A_REQUEST = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
MANY = b"".join(b"x-%d: y\r\n" % number for number in range(5000))

ENDLESS = {
    "url": (b"GET /", b"a" * MIB, b"431"),
    "header": (b"GET /livez HTTP/1.1\r\nx: ", b"a" * MIB, b"431"),
    "name of a header": (b"GET /livez HTTP/1.1\r\n", b"a" * MIB, b"431"),
    "headers": (b"GET /livez HTTP/1.1\r\n", MANY * 10, b"431"),
    "blank lines": (b"", b"\r\n" * (MIB // 2), b"431"),
    "pipelined header": (A_REQUEST + b"GET / HTTP/1.1\r\nx: ", b"a" * MIB, b"200"),
    "pipelined requests": (A_REQUEST, A_REQUEST * 8000, b"200"),
    "chunk extension": (CHUNKED + b"1;x=", b"a" * MIB, b"401"),
    "trailer": (CHUNKED + b"1\r\na\r\n0\r\nx: ", b"a" * MIB, b"401"),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\n", MANY * 10, b"401"),
    "chunks": (CHUNKED, b"1\r\na\r\n" * 100_000, b"401"),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_what_has_no_end_is_cut_off_early(program: Program, watch: Watch, what: str) -> None:
    begin, part, status = ENDLESS[what]
    before = resident_mib(program)
    async with watch.looking():
        sent, answer = await flood(watch.url, begin, part)
    assert sent < 16  # what the kernels of both ends buffer is sent before it is refused
    assert resident_mib(program) - before < 20
    assert answer.split(b" ")[1:2] in ([], [status])  # a client that goes on may lose the answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /livez?" + b"a" * 17_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /livez HTTP/1.1\r\nx: " + b"a" * 42_000 + b"\r\n\r\n", b"431"),
        (b"GET /livez HTTP/1.1\r\n" + b"x: y\r\n" * 101 + b"\r\n", b"431"),
        (b"GET /livez HTTP/1.1\r\n" + b"x: y\r\n" * 100 + b"\r\n", b"200"),
        (b"GET /livez HTTP/1.1\r\nx: " + b"a" * 30_000 + b"\r\n\r\n", b"200"),
        (b"\r\n\r\n" + A_REQUEST, b"200"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /livez HTTP/9.9\r\n\r\n", b"400"),
    ],
)
async def test_each_limit_of_a_head_has_its_answer(url: str, head: bytes, status: bytes) -> None:
    _, answer = await flood(url, head, b"", mib_max=0)
    assert answer.split(b" ")[1] == status
    if status != b"200":
        assert b"connection: close" in answer
        assert b"x-content-type-options: nosniff" in answer
        assert b'{"errors": [{"title": ' in answer

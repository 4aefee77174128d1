"""Known vulnerabilities of the lock: they fail a check, and a database that is away does not."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from supply.audit import audit

LOCK = "".join(
    f"{pin} \\\n    --hash=sha256:{'0' * 64}\n" for pin in ("asyncpg==0.32.0", "markupsafe==3.0.2")
)

KNOWN = {
    "vulns": [
        {
            "id": "GHSA-test",
            "summary": "It says yes to everybody.",
            "affected": [
                {
                    "package": {"name": "asyncpg", "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "0.32.1"}]}],
                }
            ],
        }
    ]
}


class Database(BaseHTTPRequestHandler):
    """Answers as OSV does.

    Attributes:
        known: what it has to say of which package.
        asked: which packages it was asked about.
        answers_max: after so many it answers no more.
    """

    known: dict[str, object]
    asked: list[str]
    answers_max: int

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(question["package"]["name"])
        gone = len(self.asked) > self.answers_max
        body = b"gone" if gone else json.dumps(self.known.get(self.asked[-1], {})).encode()
        self.send_response(503 if gone else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture
def database() -> Iterator[tuple[type[Database], str]]:
    kind = type("Own", (Database,), {"known": {}, "asked": [], "answers_max": 100})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield kind, f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


def test_a_lock_without_known_vulnerabilities_passes(
    database: tuple[type[Database], str], lock: Path
) -> None:
    kind, url = database
    assert audit(url, lock) == 0
    assert {"asyncpg", "markupsafe"} <= set(kind.asked)


def test_a_known_vulnerability_fails_and_is_named(
    database: tuple[type[Database], str], lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind, url = database
    kind.known = {"asyncpg": KNOWN}
    assert audit(url, lock) == 1
    said = capsys.readouterr().out
    assert "asyncpg" in said
    assert "GHSA-test" in said
    assert "0.32.1" in said


def test_a_database_that_cannot_be_reached_is_said_and_fails_nothing(
    lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit("http://127.0.0.1:9/v1/query", lock) == 0
    said = capsys.readouterr().out
    assert said.startswith("SKIPPED: the lock was not checked for vulnerabilities.")
    assert "refused" in said


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_a_database_that_goes_away_at_any_moment_fails_nothing(
    database: tuple[type[Database], str],
    lock: Path,
    capsys: pytest.CaptureFixture[str],
    answers: int,
) -> None:
    kind, url = database
    kind.answers_max = answers
    assert audit(url, lock) == 0
    assert "SKIPPED" in capsys.readouterr().out


def test_a_lock_that_cannot_be_read_fails(
    database: tuple[type[Database], str], tmp_path: Path
) -> None:
    _, url = database
    broken = tmp_path / "requirements.lock"
    broken.write_text("asyncpg\n")
    assert audit(url, broken) != 0

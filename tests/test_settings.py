"""Settings: what operators paste, taken or refused with a reason."""

import pytest
from pydantic import SecretStr, ValidationError

from pagersync.settings import Settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        (" postgresql://u:p@h/d\n", "postgresql+asyncpg://u:p@h/d"),
        ("postgres://u:p@h:5433/d", "postgresql+asyncpg://u:p@h:5433/d"),
        ("postgresql+psycopg://u@h/d", "postgresql+asyncpg://u@h/d"),
        ("postgresql://u:p%40@h/d?sslmode=require", "postgresql+asyncpg://u:p%40@h/d?ssl=require"),
        ("postgresql://u@/d?host=/run/pg", "postgresql+asyncpg://u@/d?host=%2Frun%2Fpg"),
    ],
)
def test_any_postgresql_url_means_asyncpg(given: str, expected: str) -> None:
    url = Settings(database_url=SecretStr(given)).database_url
    assert url is not None
    assert url.get_secret_value() == expected


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("mysql://u:s3cret@h/d", "must begin with postgresql://"),
        ("postgresfoo://u:s3cret@h/d", "must begin with postgresql://"),
        ("postgresql://u:s3cret@h1:1,h2:2/d", "must be of the form"),
        ("nonsense s3cret", "must be of the form"),
        ("postgresql://u:s3cret@h/d?application_name=x", "application_name cannot stand"),
    ],
)
def test_another_url_is_refused_without_repeating_its_password(given: str, reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(database_url=SecretStr(given))
    (error,) = refused.value.errors(include_input=False, include_url=False)
    assert reason in error["msg"]
    assert "s3cret" not in error["msg"]


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_url_means_the_embedded_database(
    monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    monkeypatch.setenv("PAGERSYNC_DATABASE_URL", empty)
    assert Settings().database_url is None


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "PUBLIC_URL", "SECRET_KEY", "LOG_LEVEL"):
        monkeypatch.setenv(f"PAGERSYNC_{name}", "")
    settings = Settings()
    assert (settings.port, settings.log_level) == (8080, "info")
    assert (settings.public_url, settings.secret_key) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"), [("DATABASE_CONNECTIONS_MAX", "0"), ("SECRET_GRACE_HOURS", "8761")]
)
def test_a_value_that_could_not_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"PAGERSYNC_{name}", value)
    with pytest.raises(ValidationError):
        Settings()

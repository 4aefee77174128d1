"""What an operator may enter for an integration."""

import pytest

from pagersync.integrations.values import checked_name, checked_url


@pytest.mark.parametrize(
    "url",
    ["https://api.example/v4", "http://127.0.0.1:8080", "http://[::1]:1/x", "http://b\xfc.de"],
)
def test_an_address_that_can_be_asked_is_taken(url: str) -> None:
    assert checked_url(f" {url}/ ") == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x",
        "https://",
        "http://x:99999",
        "http://x:port",
        "http://[::1",
        "http://xn--/\xe9",
        "http://a..b",
        f"http://{'x' * 64}.example",
        "http://user@x",
        "http://:password@x",
        "http://x?a",
        "http://x#a",
        "http://x/\udcff",
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must "):
        checked_url(url)


@pytest.mark.parametrize(
    "name",
    ["", " ", "x" * 101, "a\nb", "\udcff", "01A208CF-FEF7-741F-B5A2-3E10A979588C", "0" * 32],
)
def test_a_name_that_cannot_be_shown_or_looks_like_an_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must "):
        checked_name(name)

"""A service that pages by a simulated PagerTree, with a receiver that its calls may reach."""

import pytest

from pagersync.settings import Settings
from tests.paging.conftest import (
    Paging,
    directory,
    idle,
    pagertree,
    paging,
    service_api,
    service_url,
)
from tests.workflows.conftest import Called, Flows, called, flows, team

__all__ = [
    "Called",
    "Flows",
    "Paging",
    "called",
    "directory",
    "flows",
    "idle",
    "pagertree",
    "paging",
    "service_api",
    "service_url",
    "team",
]


@pytest.fixture
def paging_settings(settings: Settings) -> Settings:
    """Return settings that let calls reach this machine."""
    return settings.model_copy(
        update={
            "http_client_hosts": "127.0.0.1",
            "http_client_private_addresses": True,
            "webhook_private_addresses": True,
            "pagertree_calls_per_s": 1000.0,
        }
    )

"""Workflows, a simulated PagerTree, and the check that finds what nobody was paged for."""

from tests.workflows.conftest import (
    directory,
    flows,
    idle,
    pagertree,
    paging,
    paging_settings,
    service_api,
    service_url,
)

__all__ = [
    "directory",
    "flows",
    "idle",
    "pagertree",
    "paging",
    "paging_settings",
    "service_api",
    "service_url",
]

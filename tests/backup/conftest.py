"""What pages, for tests of what a restore does to pages."""

from tests.paging.conftest import idle, pagertree, paging_settings

__all__ = ["idle", "pagertree", "paging_settings"]

"""How requests name whom to page."""

from typing import Annotated, Final

from pydantic import Field

from pagersync.jsonapi import Attributes

TARGETS_MAX: Final = 50


Text = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class Reference(Attributes):
    """A team, a user or a router: its id or its name is enough."""

    id: Text | None = Field(default=None, description="PagerTree's id, prefix id, or ours.")
    name: Text | None = Field(default=None, description="Its name; of a user also an e-mail.")


References = Annotated[list[Reference], Field(max_length=TARGETS_MAX)]


class Targets(Attributes):
    """Whom to page: at least one."""

    teams: References = Field(default_factory=list)
    users: References = Field(default_factory=list)
    routers: References = Field(default_factory=list)

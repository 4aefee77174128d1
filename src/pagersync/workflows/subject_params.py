"""How a request names what a run, or a preview of one, is about."""

import json
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.errors import InvalidError
from pagersync.jsonapi import Attributes
from pagersync.pagertree.payloads import storable_json
from pagersync.workflows.manual import ATTRIBUTES, About, find_about

CONTEXT_CHARACTERS_MAX: Final = 10_000


def _as_text(value: object) -> object:
    """Return a number as clients may well write it, without quotes, as text."""
    return str(value) if type(value) is int else value


class NamedSubject(Attributes):
    """What a run is about: an incident, an alert or a page, or nothing."""

    incident_id: Annotated[str | None, BeforeValidator(_as_text)] = Field(
        default=None, description="Its id or its number."
    )
    alert_id: str | None = Field(default=None, description="Its id or its short id.")
    page_id: str | None = None
    context: dict[str, Any] | None = Field(
        default=None, description="For templates: `{{ context.name }}`."
    )

    async def find(self, session: AsyncSession) -> About | None:
        """Return what is named.

        Raises:
            InvalidError: there is no such thing, or several are named.
        """
        given = {kind: getattr(self, f"{kind}_id") for kind in ("incident", "alert", "page")}
        named = [(kind, reference) for kind, reference in given.items() if reference is not None]
        if len(named) > 1:
            raise InvalidError(
                "give one of incident_id, alert_id and page_id, or none",
                pointer=f"{ATTRIBUTES}/{named[1][0]}_id",
            )
        return await find_about(session, *named[0]) if named else None

    def checked_context(self) -> dict[str, Any]:
        """Return the context, if it can be kept.

        Raises:
            InvalidError: it cannot.
        """
        context = self.context or {}
        pointer = f"{ATTRIBUTES}/context"
        if context != storable_json(context):
            detail = "context: holds a NUL character, half a surrogate pair or what is no number"
            raise InvalidError(detail, pointer=pointer)
        if len(json.dumps(context)) > CONTEXT_CHARACTERS_MAX:
            detail = f"context: is longer than {CONTEXT_CHARACTERS_MAX} characters"
            raise InvalidError(detail, pointer=pointer)
        return context

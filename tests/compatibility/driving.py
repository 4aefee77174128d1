"""Calls of Rootly's client, and what its answers must be.

The client is generated from Rootly's published document: what its models require must be there,
and what they parse must be of their types, or they raise.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import attrs
from rootly_sdk import AuthenticatedClient
from rootly_sdk.models import ErrorsList
from rootly_sdk.types import Unset


@dataclass(frozen=True, slots=True)
class Driver:
    """Drives one client."""

    client: AuthenticatedClient

    async def __call__(self, operation: ModuleType, *arguments: Any, **options: Any) -> Any:
        """Call an operation, as `rootly_sdk.api` has it, that succeeds; return what was parsed.

        Every attribute that Rootly's model has must be in the answer: known, or Rootly's empty.
        """
        answer = await operation.asyncio_detailed(*arguments, client=self.client, **options)
        assert not isinstance(answer.parsed, ErrorsList), answer.content
        assert answer.parsed is not None, answer.content
        if (data := getattr(answer.parsed, "data", None)) is not None:
            for resource in data if isinstance(data, list) else [data]:
                assert not (gone := missing(resource.attributes)), sorted(gone)
        return answer.parsed

    async def refused(
        self, status: int, operation: ModuleType, *arguments: Any, **options: Any
    ) -> list[dict[str, Any]]:
        """Call an operation that is refused with a status; return its errors."""
        answer = await operation.asyncio_detailed(*arguments, client=self.client, **options)
        assert answer.status_code == status, answer.content
        assert isinstance(answer.parsed, ErrorsList)
        errors: list[dict[str, Any]] = answer.parsed.to_dict()["errors"]
        return errors


def body_of(model: Any, type_: str, attributes: dict[str, Any]) -> Any:
    """Return a request body of Rootly's client."""
    return model.from_dict({"data": {"type": type_, "attributes": attributes}})


def missing(attributes: Any) -> set[str]:
    """Return the attributes of Rootly's model that an answer does not have."""
    return {
        field.name
        for field in attrs.fields(type(attributes))
        if isinstance(getattr(attributes, field.name), Unset)
    } - NULL_BREAKS_THE_CLIENT


NULL_BREAKS_THE_CLIENT = {"alert_urgency", "user", "slack_channel"}
"""Left out where it is empty: the client takes no null, although Rootly's document allows it."""

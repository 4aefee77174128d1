"""The events that pagersync sends, as the document's `webhooks` have them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from pagersync.openapi.examples import Examples

REF: Final = "#/components/schemas/{model}"


@dataclass(frozen=True)
class Events:
    """What is sent to whoever asked for it.

    Attributes:
        types: the types of events, and when each is sent.
        body: what every event looks like.
        headers: the names of the headers that it comes with, and what each is for.
        tag: where it stands in the document.
    """

    types: Mapping[str, str]
    body: type[BaseModel]
    headers: Mapping[str, str] = field(default_factory=dict)
    tag: str = "Webhooks out"

    def schemas(self) -> dict[str, Any]:
        """Return the components that the events need."""
        schema = self.body.model_json_schema(ref_template=REF, mode="serialization")
        return {**schema.pop("$defs", {}), self.body.__name__: schema}

    def webhooks(self, schemas: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document's `webhooks`: one for each type."""
        reference = {"$ref": REF.format(model=self.body.__name__)}
        example = Examples(schemas, is_whole=True).of(reference)
        return {
            name: {"post": self._operation(name, when, reference, example)}
            for name, when in self.types.items()
        }

    def _operation(
        self, name: str, when: str, reference: dict[str, str], example: Any
    ) -> dict[str, Any]:
        words = name.replace("_", ".").split(".")
        return {
            "tags": [self.tag],
            "operationId": "on" + "".join(word.capitalize() for word in words),
            "summary": name,
            "description": when,
            "parameters": [
                {
                    "name": header,
                    "in": "header",
                    "required": True,
                    "description": purpose,
                    "schema": {"type": "string"},
                }
                for header, purpose in self.headers.items()
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": reference, "example": example}},
            },
            "responses": {
                "2XX": {"description": "Received. Anything else is sent again, for days."}
            },
        }

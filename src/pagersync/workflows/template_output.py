"""How values look in a text. Pure."""

import json
from typing import Any, TextIO

from liquid import RenderContext
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.stringify import to_liquid_string


def to_text(value: object) -> str:
    """Return a value as text: objects as JSON, lists item after item, the rest as Liquid does."""
    if isinstance(value, dict):
        return to_json(value)
    if isinstance(value, list):
        return "".join(to_text(item) for item in value)
    return to_liquid_string(value, autoescape=False)


def to_json(value: object) -> str:
    """Return a value as JSON; times as ISO 8601, what JSON does not know as text."""
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


class _OutputTextNode(OutputNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(to_text(self.expression.evaluate(context)))


class _EchoTextNode(EchoNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(to_text(self.expression.evaluate(context)))


class OutputText(Output):
    """`{{ value }}`."""

    node_class: type[OutputNode] = _OutputTextNode


class EchoText(EchoTag):
    """`{% echo value %}`."""

    node_class: type[EchoNode] = _EchoTextNode

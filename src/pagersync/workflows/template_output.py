"""How values look in a text. Pure."""

import json
from typing import Any, TextIO

from liquid import RenderContext
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.echo_tag import EchoNode, EchoTag
from liquid.expression import Expression
from liquid.stringify import to_liquid_string

from pagersync.workflows.template_remarks import Absent, Remarks, is_absent


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


def _shown(expression: Expression, context: RenderContext) -> str:
    """Return what an expression shows, and note if it shows something that is not there."""
    value = expression.evaluate(context)
    remarks = getattr(context, "remarks", None)
    if isinstance(remarks, Remarks):
        _look(expression, value, context, remarks)
    return to_text(value)


def _look(expression: Expression, value: object, context: RenderContext, remarks: Remarks) -> None:
    if isinstance(value, Absent):
        remarks.is_empty(value.name)
    elif isinstance(expression, FilteredExpression) and isinstance(expression.left, Path):
        if any(each.name == "default" for each in expression.filters or ()):
            return
        shown = expression.left.evaluate(context)
        if is_absent(shown):
            remarks.is_empty(shown.name if isinstance(shown, Absent) else str(expression.left))


class _OutputTextNode(OutputNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(_shown(self.expression, context))


class _EchoTextNode(EchoNode):
    __slots__ = ()

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        return buffer.write(_shown(self.expression, context))


class OutputText(Output):
    """`{{ value }}`."""

    node_class: type[OutputNode] = _OutputTextNode


class EchoText(EchoTag):
    """`{% echo value %}`."""

    node_class: type[EchoNode] = _EchoTextNode

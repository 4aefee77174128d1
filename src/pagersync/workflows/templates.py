"""Texts with variables in them, in Liquid: checked when they are saved, rendered when a task runs.

Pure. Strict and limited: what is undefined is an error, nothing outside the given variables can be
reached, and rendering ends. No part of it can run long between two looks at the clock: the source
and each tag are bounded before a regular expression sees them, the iterations of all loops
together, every value that goes into or comes out of a filter, and the output. The clock counts CPU
time, so that a busy machine changes no outcome.
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Final

from liquid import BoundTemplate, Environment, Token
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.exceptions import LiquidError, LiquidInterrupt, ResourceLimitError

from pagersync.errors import InvalidError, PagersyncError
from pagersync.pagertree.payloads import storable
from pagersync.workflows.template_attributes import unknown_attributes
from pagersync.workflows.template_context import RENDER_CPU_S_MAX, Context, words_of
from pagersync.workflows.template_filters import FILTERS, VALUE_ITEMS_MAX
from pagersync.workflows.template_output import EchoText, OutputText
from pagersync.workflows.template_remarks import Absent, Remarks
from pagersync.workflows.template_source import check_source, place

NESTED_BLOCKS_MAX: Final = 20
PARAMS_CHARACTERS_MAX: Final = 32_000
PARAMS_NESTED_MAX: Final = 20
TEMPLATES_CACHED_MAX: Final = 256
VERDICTS_MAX: Final = 2_000

VARIABLES: Final = frozenset({"incident", "alert", "page", "workflow", "event", "context"})
NO_SECRETS: Final = (
    "secrets can stand only in url, headers, params and body of http_client, each alone and "
    "without a filter: {{ secrets.NAME }}"
)
CLOCK: Final = frozenset({"now", "today"})


class TemplateError(PagersyncError):
    """A template cannot be right, or could not be rendered; `detail` says where and why.

    Attributes:
        so_far: what was rendered until then.
    """

    so_far: str = ""
    code = "template_error"
    status = 422
    title = "The template could not be rendered"


class _Liquid(Environment):
    block_nesting_limit: ClassVar[int] = NESTED_BLOCKS_MAX
    context_depth_limit: ClassVar[int] = NESTED_BLOCKS_MAX + 10

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """Keep the tags that reach nothing outside the template, and our list of filters."""
        super().setup_tags_and_filters(extra=extra)
        for name in ("include", "render"):
            del self.tags[name]
        self.add_tag(OutputText)
        self.add_tag(EchoText)
        self.filters = {**self.filters, **FILTERS}
        for name in ("safe", "escapejs"):
            del self.filters[name]


_verdicts: Final[OrderedDict[str, str | None]] = OrderedDict()

_LIQUID: Final = _Liquid(undefined=Absent)
_any_range: Final = RangeLiteral._make_range  # noqa: SLF001 - the library has no other place


def _short_range(self: RangeLiteral, start: Any, stop: Any) -> range:
    """Return a range that can be walked: `contains` and `offset` do, without a look at the clock.

    Raises:
        ResourceLimitError: it is too long.
    """
    made = _any_range(self, start, stop)
    if made.stop - made.start > VALUE_ITEMS_MAX:
        raise ResourceLimitError(f"more than {VALUE_ITEMS_MAX} items in a range", token=self.token)
    return made


RangeLiteral._make_range = _short_range  # type: ignore[method-assign] # noqa: SLF001


def check_template(source: str, pointer: str) -> None:
    """Return if the text can be rendered, as far as that shows without its variables' values.

    Raises:
        InvalidError: it cannot: its syntax, a tag, a filter or the name of a variable or of its
            attribute is wrong, or it is too long. The detail names line and column.
    """
    if source in _verdicts:
        if problem := _verdicts[source]:
            raise InvalidError(problem, pointer=pointer)
        return
    try:
        template = _compile(source)
    except TemplateError as error:
        raise InvalidError(error.detail, pointer=pointer) from None
    for index, problem in sorted(unknown_attributes(template)):
        raise InvalidError(f"{place(source, index)}: {problem}", pointer=pointer)


def remember_verdict(source: str, problem: str | None) -> None:
    """Keep what `check_template` said of a text in another process; None: it is right."""
    _verdicts[source] = problem
    if len(_verdicts) > VERDICTS_MAX:
        _verdicts.popitem(last=False)


def render(source: str, variables: Mapping[str, object], remarks: Remarks | None = None) -> str:
    """Return the text with everything filled in; what is not there is empty.

    It takes at most `RENDER_CPU_S_MAX` of CPU time and what the filter under way then needs.

    Args:
        source: the template.
        variables: what it can say.
        remarks: gets what was cut and what was empty.

    Raises:
        TemplateError: something in it fails or exceeds a limit. The detail names line and column.
    """
    remarks = remarks or Remarks()
    with remarks.timed(RENDER_CPU_S_MAX) as deadline_cpu_s:
        return _render(source, variables, deadline_cpu_s, remarks)


def check_params(params: Any, pointer: str) -> None:
    """Check every text inside a JSON value, all of them together being limited too.

    Raises:
        InvalidError: one of them is wrong; `pointer` leads to it.
    """
    characters = 0
    for below, text in _texts(params, pointer, 0):
        characters += len(text)
        if characters > PARAMS_CHARACTERS_MAX:
            raise InvalidError(
                f"the texts together are longer than {PARAMS_CHARACTERS_MAX} characters",
                pointer=below,
            )
        check_template(text, below)


def render_params(
    params: Any, variables: Mapping[str, object], remarks: Remarks | None = None
) -> Any:
    """Return a JSON value with every text inside it rendered; keys stay as they are.

    All of them together take as long as `render` may for one.

    Raises:
        TemplateError: one of them could not be rendered; the detail begins with where it stands.
    """
    remarks = remarks or Remarks()
    with remarks.timed(RENDER_CPU_S_MAX) as deadline_cpu_s:
        return _render_below(params, variables, deadline_cpu_s, "", remarks)


def _texts(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > PARAMS_NESTED_MAX:
        raise InvalidError(f"nested more than {PARAMS_NESTED_MAX} deep", pointer=pointer)
    if isinstance(value, str):
        yield pointer, value
    else:
        for key, item in _items(value):
            yield from _texts(item, f"{pointer}/{_escaped(key)}", depth + 1)


def _render_below(
    value: Any,
    variables: Mapping[str, object],
    deadline_cpu_s: float,
    pointer: str,
    remarks: Remarks,
) -> Any:
    if isinstance(value, str):
        try:
            return _render(value, variables, deadline_cpu_s, remarks)
        except TemplateError as error:
            where = f"{pointer[1:]}: " if pointer else ""
            raise TemplateError(f"{where}{error.detail}", pointer=pointer or None) from error
    rendered = {
        key: _render_below(item, variables, deadline_cpu_s, f"{pointer}/{_escaped(key)}", remarks)
        for key, item in _items(value)
    }
    if isinstance(value, Mapping):
        return rendered
    return list(rendered.values()) if isinstance(value, list | tuple) else value


def _items(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def _escaped(key: object) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")


def _render(
    source: str, variables: Mapping[str, object], deadline_cpu_s: float, remarks: Remarks
) -> str:
    template = _compile(source)
    now = datetime.now(UTC).replace(microsecond=0)
    known = {"now": now, "today": now.date(), **variables}
    context = Context(template, known, deadline_cpu_s, remarks)
    buffer = context.get_buffer()
    for node in template.nodes:
        try:
            context.check_time()
            node.render(context, buffer)
        except Exception as error:
            failed = _failure(source, node.token, error)
            failed.so_far = storable(buffer.getvalue())
            raise failed from error
    return storable(buffer.getvalue())


def _failure(source: str, token: Token, error: Exception) -> TemplateError:
    if isinstance(error, LiquidInterrupt):
        return _error(source, token, f"{error} stands outside of a loop")
    if isinstance(error, LiquidError):
        return _error(source, error.token or token, str(error.message))
    return _error(source, token, words_of(error))


@lru_cache(maxsize=TEMPLATES_CACHED_MAX)
def _compile(source: str) -> BoundTemplate:
    """Parse a template and look up its names.

    Raises:
        TemplateError: it cannot be right.
    """
    if problem := check_source(source):
        raise TemplateError(problem)
    try:
        template = _LIQUID.from_string(source)
        analysis = template.analyze(include_partials=False)
    except LiquidError as error:
        message = "nested too deeply" if error.token is None else str(error.message)
        raise _error(source, error.token, message) from error
    except RecursionError as error:
        raise _error(source, None, "nested too deeply") from error
    for name, spans in analysis.filters.items():
        if name not in _LIQUID.filters:
            raise TemplateError(f"{place(source, spans[0].index)}: unknown filter '{name}'")
    for name, uses in analysis.globals.items():
        if name == "secrets":
            raise TemplateError(f"{place(source, uses[0].span.index)}: {NO_SECRETS}")
        if name not in VARIABLES | CLOCK:
            raise TemplateError(
                f"{place(source, uses[0].span.index)}: unknown variable '{name}': there are "
                f"{', '.join(sorted(VARIABLES))}"
            )
    return template


def _error(source: str, token: Token | None, message: str) -> TemplateError:
    index = len(source) if token is None or token.start_index < 0 else token.start_index
    return TemplateError(f"{place(source, index)}: {message}")

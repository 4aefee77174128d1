"""One rendering of a template, with its limits. Pure.

What is too long is cut and loops that are too long are stopped, with a note each, since nobody may
go unpaged only because somebody wrote much. Time and what is kept under names have no such way out:
they end a rendering.
"""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from typing import Any, Final, TextIO

from liquid import BoundTemplate, RenderContext, Token
from liquid.exceptions import FilterError, LiquidError, ResourceLimitError

from pagersync.fitting import ELLIPSIS
from pagersync.workflows import template_regex
from pagersync.workflows.template_filters import TEXT_CHARACTERS_MAX, VALUE_ITEMS_MAX, size_of
from pagersync.workflows.template_remarks import (
    TASK_CPU_S_MAX,
    Remarks,
    is_absent,
    name_absent,
)
from pagersync.workflows.template_times import TIME_FILTERS

OUTPUT_BYTES_MAX: Final = 64 * 1024
LOOP_ITERATIONS_MAX: Final = 5_000
LOCALS_SIZE_MAX: Final = 1_000_000
RENDER_CPU_S_MAX: Final = 0.5


class CutBuffer(StringIO):
    """Takes text up to a limit; what does not fit is left out and noted."""

    def __init__(self, remarks: Remarks, bytes_max: int = OUTPUT_BYTES_MAX) -> None:
        super().__init__()
        self._remarks = remarks
        self.bytes_left = bytes_max
        self.is_full = False

    def write(self, text: str) -> int:
        """Write what fits."""
        if self.is_full:
            return 0
        encoded = text.encode(errors="surrogatepass")
        if len(encoded) > self.bytes_left:
            self._remarks.limit(f"the text was cut to {OUTPUT_BYTES_MAX} bytes")
            self.is_full = True
            room = max(self.bytes_left - len(ELLIPSIS.encode()), 0)
            text = encoded[:room].decode(errors="ignore") + ELLIPSIS if room else ""
        self.bytes_left -= len(text.encode(errors="surrogatepass"))
        return super().write(text)


class Context(RenderContext):
    """One rendering, with its limits."""

    __slots__ = ("_deadline_cpu_s", "_iterations", "_local_sizes", "remarks")

    def __init__(
        self,
        template: BoundTemplate,
        variables: Mapping[str, object],
        deadline_cpu_s: float,
        remarks: Remarks,
    ) -> None:
        super().__init__(template, globals=variables)
        self._deadline_cpu_s = deadline_cpu_s
        self._iterations = 0
        self._local_sizes: dict[str, int] = {}
        self.remarks = remarks

    def get_buffer(self, buf: TextIO | None = None) -> StringIO:
        """Return a buffer for a part of the output, which holds no more than the whole may."""
        left = buf.bytes_left if isinstance(buf, CutBuffer) else OUTPUT_BYTES_MAX
        return CutBuffer(self.remarks, left)

    def assign(self, key: str, val: Any) -> None:
        """Keep a value under a name.

        Raises:
            ResourceLimitError: all that is kept together would be too large.
        """
        self._local_sizes[key] = size_of(val)
        if sum(self._local_sizes.values()) > LOCALS_SIZE_MAX:
            raise ResourceLimitError(
                f"keeps more than {LOCALS_SIZE_MAX} characters and items", token=None
            )
        self.locals[key] = val

    def check_time(self) -> None:
        """Look at the clock.

        Raises:
            ResourceLimitError: the time is up.
        """
        if time.thread_time() > self._deadline_cpu_s:
            limits = f"{RENDER_CPU_S_MAX:g} s ({TASK_CPU_S_MAX:g} s for all of a task)"
            raise ResourceLimitError(f"takes longer than {limits}", token=None)

    @contextmanager
    def loop(
        self, namespace: Mapping[str, object], forloop: Any
    ) -> Generator[RenderContext, None, None]:
        """Enter a loop: its turns count, and the clock is looked at before each."""
        forloop.it = self._timed(forloop.it)
        with super().loop(namespace, forloop) as context:
            yield context

    def _timed(self, items: Iterator[object]) -> Iterator[object]:
        """Yield what a loop turns for, until all loops together have turned too often."""
        for item in items:
            self.check_time()
            self._iterations += 1
            if self._iterations > LOOP_ITERATIONS_MAX:
                self.remarks.limit(f"loops were stopped after {LOOP_ITERATIONS_MAX} turns")
                return
            yield item

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        """Return a filter that knows its limits, and whose every failure is known by its place."""
        apply = super().filter(name, token)

        def limited(value: object, *args: object, **options: object) -> object:
            try:
                self.check_time()
                if name != "default":
                    name_absent([*args, *options.values()], self.remarks)
                if name in TIME_FILTERS:
                    if is_absent(value):
                        return value  # no time is no time, in whichever form
                    args = tuple(None if is_absent(each) else each for each in args)
                value = self._fitted(f"the input of {name}", value, name)
                for each in (value, *args, *options.values()):
                    size_of(each)
                result = self._fitted(f"the output of {name}", apply(value, *args, **options))
                size_of(result)
            except LiquidError as error:
                error.token = error.token or token
                raise
            except Exception as error:  # whatever it is, the template's author must hear of it
                raise FilterError(f"{name}: {words_of(error)}", token=token) from error
            return result

        return limited

    def _fitted(self, what: str, value: object, filter_name: str = "") -> object:
        is_regex = filter_name in template_regex.REGEX_FILTERS
        most = template_regex.TEXT_CHARACTERS_MAX if is_regex else TEXT_CHARACTERS_MAX
        return self.remarks.fitted(what, value, most, VALUE_ITEMS_MAX)


def words_of(error: Exception) -> str:
    """Return what a failure says, for the author of a template."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error) or type(error).__name__

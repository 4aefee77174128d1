"""What is noted while a template is rendered: what was cut or stopped, and what was empty. Pure."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from liquid.exceptions import ResourceLimitError
from liquid.undefined import UNDEFINED, Undefined

from pagersync.fitting import ELLIPSIS

TASK_CPU_S_MAX: Final = 1.0
CPU_S_MIN: Final = 0.02


@dataclass(slots=True)
class Remarks:
    """Collects what people are told about a rendering.

    Attributes:
        cuts: whether what is too large is cut; else it is an error, as for what is sent to others.
        notes: what was cut, stopped or replaced, one sentence each.
        empty: values that a template shows and that are not there, one sentence each.
        cpu_s_left: what all templates of a task may take together. One that comes late has a
            little all the same, so that a title is not lost because of a long description.
    """

    cuts: bool = True
    notes: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    cpu_s_left: float = TASK_CPU_S_MAX

    @contextmanager
    def timed(self, cpu_s_max: float) -> Iterator[float]:
        """Yield when a template must have ended, by the CPU time of this thread."""
        began_s = time.thread_time()
        try:
            yield began_s + max(CPU_S_MIN, min(cpu_s_max, self.cpu_s_left))
        finally:
            self.cpu_s_left -= time.thread_time() - began_s

    def limit(self, sentence: str) -> None:
        """Note that a limit was reached.

        Raises:
            ResourceLimitError: nothing may be cut.
        """
        if not self.cuts:
            raise ResourceLimitError(sentence, token=None)
        if sentence not in self.notes:
            self.notes.append(sentence)

    def is_empty(self, path: str) -> None:
        """Note that a value was shown and is not there."""
        sentence = f"{path} is empty"
        if sentence not in self.empty:
            self.empty.append(sentence)

    def fitted(self, name: str, value: Any, characters_max: int, items_max: int) -> Any:
        """Return a text or a list that is no longer than it may be; other values stay."""
        if isinstance(value, str) and len(value) > characters_max:
            self.limit(f"{name} was cut from {len(value)} to {characters_max} characters")
            return value[: characters_max - len(ELLIPSIS)] + ELLIPSIS
        if isinstance(value, list | tuple) and len(value) > items_max:
            self.limit(f"{name} was cut from {len(value)} to {items_max} items")
            return value[:items_max]
        return value


class Absent(Undefined):
    """A value that is not there: it is false, and empty where it is shown."""

    __slots__ = ()

    def __init__(
        self, name: str, *, token: Any = None, obj: object = UNDEFINED, hint: str | None = None
    ) -> None:
        path = (hint or "").removesuffix(" is undefined").strip("'")
        super().__init__(path if hint and hint.endswith("undefined") else name, token=token)
        del obj


def is_absent(value: object) -> bool:
    """Tell whether a value is not there, or says nothing."""
    return isinstance(value, Undefined) or value is None or value == ""


def name_absent(values: Sequence[object], remarks: Remarks) -> None:
    """Note which of some values are not there, by the path that a template has for them."""
    for value in values:
        if isinstance(value, Absent):
            remarks.is_empty(value.name)

"""Which attributes the variables of a template have: those that are there for every run. Pure."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from liquid import BoundTemplate

from pagersync.workflows.variables import EXAMPLE_VARIABLES

OF_LIQUID: Final = frozenset({"size", "first", "last"})
KNOWN: Final = {name: frozenset(each) | OF_LIQUID for name, each in EXAMPLE_VARIABLES.items()}
"""`incident`, `alert` and `page`. What `context` holds shows when a run is started, and below an
attribute there may be labels or data, so only the first name after the variable's is known."""


def unknown_attributes(template: BoundTemplate) -> Iterator[tuple[int, str]]:
    """Yield where a template names an attribute that its variable never has, and what is wrong."""
    uses = template.analyze(include_partials=False).globals
    for variable in KNOWN.keys() & uses.keys():
        for use in uses[variable]:
            name = use.segments[1] if len(use.segments) > 1 else None
            if isinstance(name, str) and name not in KNOWN[variable]:
                near = get_close_matches(name, KNOWN[variable] - OF_LIQUID)
                hint = f": did you mean {', '.join(near)}?" if near else ""
                yield use.span.index, f"{variable!r} has no attribute {name!r}{hint}"

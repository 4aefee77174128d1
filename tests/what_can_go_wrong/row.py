"""One row of docs/what-can-go-wrong.md."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What somebody changed, and what follows from it.

    Attributes:
        changed: what was changed, for example `A team is renamed in PagerTree.`
        by: who changed it: `PagerTree admin`, `colleague`, `integrator`, `operator`, `PagerTree`.
        before: what used to happen.
        now: what happens today.
        test: the test that shows it, as `tests/paging/test_x.py::test_y`.
    """

    changed: str
    by: str
    before: str
    now: str
    test: str

"""Figures, the targets they are held against, and the table that shows both. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

PER_SECOND: Final = "/s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the design wants of a figure; a bound that is None is not asked for.

    Attributes:
        value_min: least value, in the figure's unit.
        value_max: greatest value, in the figure's unit.
        p50_ms_max: greatest median.
        p99_ms_max: greatest 99th percentile.
    """

    value_min: float | None = None
    value_max: float | None = None
    p50_ms_max: float | None = None
    p99_ms_max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured number.

    Attributes:
        name: what was measured.
        value: in `unit`.
        failures: answers that were no success, or rows that did not end well.
        note: anything a reader must know to judge the number.
    """

    name: str
    value: float
    unit: str = PER_SECOND
    p50_ms: float | None = None
    p99_ms: float | None = None
    ratio_to_no_op: float | None = None
    ratio_to_commit: float | None = None
    target: Target | None = None
    failures: int = 0
    note: str = ""

    @property
    def is_reached(self) -> bool | None:
        """Whether the target is met; None without a target. A failure never meets one."""
        if self.target is None:
            return None
        return self.failures == 0 and all(
            measured is not None and (measured >= bound if is_least else measured <= bound)
            for measured, bound, is_least in (
                (self.value, self.target.value_min, True),
                (self.value, self.target.value_max, False),
                (self.p50_ms, self.target.p50_ms_max, False),
                (self.p99_ms, self.target.p99_ms_max, False),
            )
            if bound is not None
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of unsorted values.

    Raises:
        ValueError: there are none.
    """
    if not values:
        raise ValueError("a percentile needs at least one value")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def to_table(figures: Sequence[Figure]) -> str:
    """Return the figures as aligned text, notes and failures below."""
    header = ("figure", "value", "p50 ms", "p99 ms", "/no-op", "/commit", "target", "reached")
    rows = [header, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*lines, *_remarks(figures)])


def to_json(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """Return the figures as JSON."""
    return [asdict(figure) | {"is_reached": figure.is_reached} for figure in figures]


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.name,
        _value(figure.value, figure.unit),
        _milliseconds(figure.p50_ms),
        _milliseconds(figure.p99_ms),
        _times(figure.ratio_to_no_op),
        _times(figure.ratio_to_commit),
        _wish(figure),
        {None: "", True: "yes", False: "NO"}[figure.is_reached],
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = range(1, 6)
    cells = [
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _remarks(figures: Sequence[Figure]) -> list[str]:
    failed = [f"FAILURES: {figure.failures:,} in {figure.name}" for figure in figures]
    noted = [f"{figure.name}: {figure.note}" for figure in figures if figure.note]
    return ["", *(line for line, f in zip(failed, figures, strict=True) if f.failures), *noted]


def _value(value: float, unit: str) -> str:
    match unit:
        case "/s" | "MiB" | "samples":
            return f"{value:,.0f} {unit}"
        case _:
            return f"{value:.2f} {unit}"


def _milliseconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _wish(figure: Figure) -> str:
    if figure.target is None:
        return ""
    target = figure.target
    bounds = (
        (">=", target.value_min, figure.unit, ""),
        ("<=", target.value_max, figure.unit, ""),
        ("<=", target.p50_ms_max, "ms", "p50 "),
        ("<=", target.p99_ms_max, "ms", "p99 "),
    )
    return ", ".join(
        f"{name}{sign} {bound:,g} {unit}" for sign, bound, unit, name in bounds if bound is not None
    )

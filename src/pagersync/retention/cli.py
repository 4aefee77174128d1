"""`pagersync database`: what is stored, what would be removed, what it takes."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pagersync.command import Context, run
from pagersync.said import say

if TYPE_CHECKING:
    from pagersync.retention.forecast import Forecast
    from pagersync.retention.size import TableSize

app = typer.Typer(no_args_is_help=True, help="See what is stored, remove what is old.")

JSON = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KIB: Final = 1024


@app.command()
def retention(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be removed.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Remove what is older than the settings say, as `serve` does every hour."""
    if dry_run:
        found = run(_forecast, unhurried=True)
        say(_as_json(found) if as_json else "\n".join(forecast_lines(found)))
        return
    removed = run(_remove, unhurried=True)
    if not removed:
        say("Another process is removing old rows right now.")
    for kind, rows in removed.items():
        say(f"{kind}: {rows} removed")


@app.command()
def size(
    days: Annotated[
        int, typer.Option(min=1, max=365, help="Take the rate of rows from the last N days.")
    ] = 7,
    *,
    as_json: JSON = False,
) -> None:
    """Show what each table takes, and what it will take in a year at this rate."""

    async def action(context: Context) -> "tuple[list[TableSize], int | None]":
        from pagersync.database.engine import raw_connection
        from pagersync.retention.size import free_bytes, measure

        async with raw_connection(context.sessions.kw["bind"]) as connection:
            sizes = await measure(connection, context.settings, days)
        return sizes, free_bytes(context.settings)

    sizes, free = run(action, unhurried=True)
    say(_as_json(sizes) if as_json else "\n".join(size_lines(sizes, free)))


async def _forecast(context: Context) -> "list[Forecast]":
    from pagersync.database.engine import raw_connection
    from pagersync.retention.forecast import forecast

    async with raw_connection(context.sessions.kw["bind"]) as connection:
        return await forecast(connection, context.settings)


async def _remove(context: Context) -> dict[str, int]:
    import asyncio

    from pagersync.database.engine import raw_connection
    from pagersync.retention.sweep import remove_old_rows

    async with raw_connection(context.sessions.kw["bind"]) as connection:
        done = await remove_old_rows(connection, context.settings, asyncio.Event())
    return {kind: each.removed for kind, each in done.items()}


def forecast_lines(found: "Sequence[Forecast]") -> Iterator[str]:
    """Yield what a run would do, a few lines for each kind. Pure."""
    for each in found:
        kept = "for ever" if each.days is None else f"for {each.days} days"
        yield f"{each.kind}: kept {kept} ({each.setting})"
        if each.days is None:
            continue
        yield f"  {each.rows} rows would be removed, about {human(each.size_bytes)}"
        for table, rows in each.along.items():
            yield f"  with them {rows} rows of {table}"
        for floor, rows in each.held.items():
            yield f"  {rows} rows are old enough, and stay because of {floor}"
    yield f"In all about {human(sum(each.size_bytes for each in found))}. Nothing was removed."


def size_lines(sizes: "Sequence[TableSize]", free: int | None) -> Iterator[str]:
    """Yield the table of sizes. Pure."""
    sizes_head = f"{'size':>10}{'indexes':>10}{'toast':>10}"
    yield f"{'table':26}{sizes_head}{'rows':>12}{'a day':>10}{'in a year':>11}{'oldest':>12}"
    for each in sizes:
        per_day = "" if each.rows_per_day is None else f"{each.rows_per_day:,.0f}"
        oldest = "" if each.oldest is None else f"{each.oldest:%Y-%m-%d}"
        year = "" if each.in_a_year is None else human(each.in_a_year)
        yield (
            f"{each.table:26}{human(each.total):>10}{human(each.indexes):>10}"
            f"{human(each.toast):>10}{each.rows:>12,}{per_day:>10}{year:>11}{oldest:>12}"
        )
    total = sum(each.total for each in sizes)
    year_total = sum(each.total if each.in_a_year is None else each.in_a_year for each in sizes)
    yield f"All tables take {human(total)}. In a year, at this rate: about {human(year_total)}."
    if free is not None:
        yield f"The disk has {human(free)} free."


def human(size: float) -> str:
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < KIB:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= KIB
    return f"{size:.1f} TB"


def _as_json(rows: Sequence[object]) -> str:
    from pydantic import TypeAdapter

    return TypeAdapter(list).dump_json(list(rows), indent=2).decode()

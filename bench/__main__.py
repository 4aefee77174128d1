"""`python -m bench`: measure ingest, apply and paging against references of the same run.

Starts servers and a durable PostgreSQL of its own in a temporary directory, on 127.0.0.1 only.
Targets are those of the design; whether they are reached is information, never an error.
"""

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.applying import measure_drain, measure_latency
from bench.bodies import write_templates
from bench.database import Database, connect_account, open_database
from bench.figures import Figure, to_json, to_table
from bench.ingest import Ingest
from bench.late import measure_late
from bench.listing import measure_lists
from bench.load import generator
from bench.paging import connect_paging_account, measure_call_latency, measure_sending
from bench.processes import serving_no_op, serving_stub
from bench.references import Probe, References, describe_drift
from bench.starting import measure_starts
from bench.workflows import measure_incident_call, measure_matching
from pagersync.log import configure_logging
from pagersync.settings import Settings

EXPLANATION: Final = """
/no-op and /commit divide a rate by those of the no-op endpoint and of 64 concurrent single-row
commits, measured right before and right after it. The machine is shared and noisy, and the load
generator takes its part of it: compare ratios, not rates. Where the references themselves moved
by more than a small factor, single rates and the targets held against them say little.
"""

VARIANTS: Final = (
    ("--no-workers", "--processes", "1"),
    ("--no-workers", "--processes", "2"),
    ("--processes", "1"),
    ("--processes", "2"),
)


def main() -> None:
    """Measure, print the table, and write JSON where asked for."""
    options = _read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    for name in [name for name in os.environ if name.startswith("PAGERSYNC_")]:
        del os.environ[name]  # an operator's settings must not decide what is measured
    configure_logging(Settings(log_level="warning"))
    machine, began = _describe_machine(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ps-bench-") as directory:
        Path(directory).chmod(0o711)  # under root, PostgreSQL runs as another user
        probes: list[Probe] = []
        figures = list(_announced(_measure(Path(directory), options, probes)))
    machine["duration_s"] = round(time.monotonic() - began, 1)
    print("\n".join(f"{key}: {value}" for key, value in machine.items()), end="\n\n")
    print(
        to_table(figures),
        "",
        describe_drift(probes) if probes else "",
        EXPLANATION,
        sep="\n",
        end="",
    )
    if options.json is not None:
        report = {
            "machine": machine,
            "probes": [asdict(probe) for probe in probes],
            "figures": to_json(figures),
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--seconds", type=int, metavar="N", help="length of each load (default: 5, quick: 1)"
    )
    parser.add_argument("--quick", action="store_true", help="short and rough")
    parser.add_argument("--paging", action="store_true", help="only what ends in a page")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    options = parser.parse_args()
    options.seconds = options.seconds or (1 if options.quick else 5)
    options.events = 4_000 if options.quick else 30_000
    options.alerts = 50_000 if options.quick else 1_000_000
    options.samples = 50 if options.quick else 200
    options.late_pages = 60 if options.quick else 200
    options.pages = 300 if options.quick else 1_000
    return options


def _measure(directory: Path, options: argparse.Namespace, probes: list[Probe]) -> Iterator[Figure]:
    log, data_dir, file = directory / "processes.log", directory / "data", directory / "bodies"
    templates = write_templates(file)
    yield from measure_starts(data_dir, log)
    with open_database(data_dir) as database, serving_no_op(log) as no_op:
        if options.paging:
            yield from _measure_paging(database, log, options)
            return
        account = uvloop.run(connect_account(database))
        references = References(database, no_op.url + "/", file, templates, probes)
        ingest = Ingest(database, account, file, log, options.seconds)
        yield from references.measure(seconds=options.seconds)
        for variant in VARIANTS:
            yield references.beside(partial(ingest.measure, *variant))
        yield from ingest.measure_duplicates()
        drain = partial(measure_drain, database, account, log, events=options.events)
        yield references.beside(drain)
        yield measure_latency(database, account, templates, log, samples=options.samples)
        matching = partial(measure_matching, database, account, log, events=options.events)
        yield references.beside(matching)
        yield from measure_lists(database, account, log, alerts=options.alerts)
        with serving_stub(log) as stub:
            paging = uvloop.run(connect_paging_account(database, stub.url))
            yield from measure_call_latency(database, paging, log, samples=options.samples)
            sending = partial(measure_sending, database, paging, log, pages=options.pages)
            yield references.beside(sending)
            yield measure_incident_call(database, paging, log, samples=options.samples)
        yield from measure_late(database, log, pages=options.late_pages, slower=not options.quick)


def _measure_paging(database: Database, log: Path, options: argparse.Namespace) -> Iterator[Figure]:
    """Measure what ends in a page, without the references of the other parts."""
    with serving_stub(log) as stub:
        paging = uvloop.run(connect_paging_account(database, stub.url))
        yield from measure_call_latency(database, paging, log, samples=options.samples)
        yield measure_sending(database, paging, log, pages=options.pages)
        yield measure_incident_call(database, paging, log, samples=options.samples)


def _announced(figures: Iterator[Figure]) -> Iterator[Figure]:
    """Tell whoever waits how far it is."""
    for figure in figures:
        print(f"{figure.name}: {figure.value:,.2f} {figure.unit}", file=sys.stderr, flush=True)
        yield figure


def _describe_machine() -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        "load_generator": generator(),
    }


if __name__ == "__main__":
    main()

"""`python -m supply.audit`: is anything known against the locked packages?

It asks the vulnerability database OSV by `pip-audit`. Where that cannot be reached it says so and
succeeds: a missing network must not keep anybody from landing a change. What is found fails.
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from supply.lock import DEVELOPMENT

URL: Final = os.environ.get("SUPPLY_OSV_URL", "https://api.osv.dev/v1/query")
TIMEOUT_S: Final = 10

ACCEPTED: Final[dict[str, str]] = {}
"""Ids of what is known and does not concern pagersync, each with its reason."""


def unreachable(url: str) -> str | None:
    """Return why the database cannot be asked, or None if it answers."""
    question = {"package": {"name": "pip", "ecosystem": "PyPI"}, "version": "0"}
    request = urllib.request.Request(  # noqa: S310 - the URL is ours or the operator's
        url, json.dumps(question).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - likewise
            json.load(answer)
    except (OSError, ValueError) as error:  # URLError, time-outs, and a proxy's page for an answer
        return f"{type(error).__name__}: {error}"
    return None


def audit(url: str, lock: Path) -> int:
    """Ask the database about every package of a lock; return the exit code."""
    if reason := unreachable(url):
        return _skipped(url, reason)
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report"
        command = [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip"),
            *("--vulnerability-service", "osv", "--osv-url", url, "--cache-dir", folder),
            *("--progress-spinner", "off", "--format", "columns", "--output", str(report)),
            *(part for each in ACCEPTED for part in ("--ignore-vuln", each)),
        ]
        code = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - ours
        if code.returncode and not report.exists() and (reason := unreachable(url)):
            return _skipped(url, reason)  # it went away meanwhile
        print(report.read_text() if report.exists() else "", code.stderr, sep="\n")
    return code.returncode


def _skipped(url: str, reason: str) -> int:
    print(f"SKIPPED: the lock was not checked for vulnerabilities. {url} did not answer: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(audit(URL, DEVELOPMENT))

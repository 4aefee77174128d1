"""What a lock file pins."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SHIPPED: Final = ROOT / "requirements.lock"
BUILD: Final = ROOT / "requirements-build.lock"
DEVELOPMENT: Final = ROOT / "requirements-dev.lock"
"""What an installation holds; what builds the wheel; that and all that tests and checks need."""

_PIN: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)(?: ; ([^\\]+?))? \\$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Pin:
    """A package of a lock.

    Attributes:
        marker: where it is installed, as PEP 508 says it; empty: everywhere.
    """

    name: str
    version: str
    marker: str


def pins_of(lock: Path) -> list[Pin]:
    """Return the packages of a lock file, in its order."""
    return [Pin(name, version, marker) for name, version, marker in _PIN.findall(lock.read_text())]

"""`python -m supply.licences`: the licence of each locked package, and whether it may be used."""

import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from typing import Final

from license_expression import get_spdx_licensing
from packaging.markers import Marker

from supply.lock import DEVELOPMENT, SHIPPED, Pin, pins_of

PERMISSIVE: Final = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Unlicense",
    }
)
"""Licences that let everybody pass the package on as part of what is under Apache-2.0."""

WORDINGS: Final = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
}
"""How packages call licences, and their SPDX names. `BSD License` is any of three, all allowed."""

EXCEPTIONS: Final = {
    "certifi": "MPL-2.0: a list of certificates, installed as it is and never changed",
    "fqdn": "MPL-2.0: only used by tools, not shipped",
    "hypothesis": "MPL-2.0: only used by tests, not shipped",
    "pathspec": "MPL-2.0: only used by tools, not shipped",
}
"""Packages under another licence, and why they may be used."""

ELSEWHERE: Final = {
    "colorama": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
}
"""Packages that are for other systems and so are not installed here; read from their wheels."""


def licences_of(name: str) -> frozenset[str]:
    """Return the SPDX names of all licences that an installed package is under.

    The `License-Expression` counts; without one, the classifiers; without these, the old field.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    metadata = distribution(name).metadata.json
    if expression := metadata.get("license_expression"):
        return frozenset(str(each) for each in get_spdx_licensing().parse(expression).literals)
    classifiers = [each.split(" :: ") for each in metadata.get("classifier", [])]
    named = {each[-1] for each in classifiers if each[0] == "License"} - {"DFSG approved"}
    first = str(metadata.get("license", "no licence")).strip().partition("\n")[0]
    return frozenset(WORDINGS.get(each, each) for each in named or {first})


def problem_of(pin: Pin) -> str | None:
    """Return why a package may not be used, or None."""
    try:
        licences = licences_of(pin.name)
    except PackageNotFoundError:
        if pin.name in ELSEWHERE and pin.marker and not Marker(pin.marker).evaluate():
            return None
        return f"{pin.name} is not installed here, and supply/licences.py does not name its licence"
    others = licences - PERMISSIVE
    if not others or EXCEPTIONS.get(pin.name, "").partition(":")[0] in others:
        return None
    return (
        f"{pin.name} is under {', '.join(sorted(others))}, which supply/licences.py does not allow"
    )


def problems() -> Iterator[str]:
    """Yield what is wrong with the licences of the locked packages."""
    pins = {pin.name: pin for lock in (SHIPPED, DEVELOPMENT) for pin in pins_of(lock)}
    yield from filter(None, map(problem_of, pins.values()))
    for name in sorted((EXCEPTIONS.keys() | ELSEWHERE.keys()) - pins.keys()):
        yield f"{name} is in supply/licences.py, and in no lock any more: remove it there"


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found) or "the licences of all locked packages are allowed")
    sys.exit(bool(found))

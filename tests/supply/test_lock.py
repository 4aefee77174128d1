"""What is installed: listed, pinned by hash, and under licences that allow it."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from supply.licences import PERMISSIVE, problem_of, problems
from supply.lock import BUILD, DEVELOPMENT, ROOT, SHIPPED, Pin, pins_of

LOCKS = (SHIPPED, BUILD, DEVELOPMENT)


def recipe(target: str) -> str:
    """Return the command of a target of the Makefile, on one line."""
    found = re.search(
        rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert found
    return found.group(1).replace("\\\n", " ")


def bill_of_materials(folder: Path) -> str:
    """Return the SBOM, made as `make sbom` makes it."""
    command = recipe("sbom").splitlines()[-1].replace("$(BIN)/python", sys.executable)
    made = folder / "bom.json"
    words = command.replace("dist/pagersync.cdx.json", str(made)).split()
    subprocess.run(words, check=True, cwd=ROOT, capture_output=True)
    return made.read_text()


@pytest.fixture(scope="module")
def bom(tmp_path_factory: pytest.TempPathFactory) -> str:
    return bill_of_materials(tmp_path_factory.mktemp("sbom"))


def test_the_sbom_lists_every_package_of_the_lock_with_its_hashes(bom: str) -> None:
    document: dict[str, Any] = json.loads(bom)
    listed = {(each["name"], each["version"]) for each in document["components"]}
    assert document["bomFormat"] == "CycloneDX"
    assert listed == {(pin.name, pin.version) for pin in pins_of(SHIPPED)}
    assert all(each["purl"].startswith("pkg:pypi/") for each in document["components"])
    assert set(re.findall(r"--hash=sha256:(\w+)", SHIPPED.read_text())) == {
        each["content"]
        for component in document["components"]
        for reference in component["externalReferences"]
        for each in reference["hashes"]
    }


def test_the_same_lock_makes_the_same_sbom(bom: str, tmp_path: Path) -> None:
    assert bill_of_materials(tmp_path) == bom


def test_every_package_of_every_lock_is_pinned_with_a_hash() -> None:
    for lock in LOCKS:
        text = lock.read_text()
        packages = re.findall(r"^\S.*\n(?:    \S.*\n)*", text, re.MULTILINE)
        assert len(packages) == len(pins_of(lock))
        assert all("==" in each and "--hash=sha256:" in each for each in packages)
        assert "".join(packages) == text
        assert "http" not in re.sub(r"^http[a-z0-9-]*==", "", text, flags=re.MULTILINE)


def test_what_is_shipped_is_tested_in_the_same_versions() -> None:
    assert set(pins_of(SHIPPED)) <= set(pins_of(DEVELOPMENT))
    assert {(pin.name, pin.version) for pin in pins_of(BUILD)} <= {
        (pin.name, pin.version) for pin in pins_of(DEVELOPMENT)
    }


def test_what_builds_the_wheel_is_the_locked_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    versions = {pin.name: pin.version for pin in pins_of(BUILD)}
    assert project["build-system"]["requires"] == [f"hatchling=={versions['hatchling']}"]
    assert "pip" in versions


def test_the_image_installs_nothing_that_is_not_locked() -> None:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?", text, re.MULTILINE)
    named = {name for _, name in stages}
    assert {image for image, _ in stages} - named == {"${PYTHON_IMAGE}"}  # one digest pins all
    for install in re.findall(r"pip [^&\n]*?\binstall\b[^&\n]*", text):
        assert "--require-hashes" in install or "--no-deps /wheel/" in install
    assert "--no-deps --no-build-isolation" in text
    for lock in re.findall(r"COPY (\S+\.lock)", text):
        assert f"!{lock}\n" in (ROOT / ".dockerignore").read_text()


def test_the_licences_of_all_locked_packages_are_allowed() -> None:
    assert list(problems()) == []


def test_a_licence_that_is_not_allowed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supply.licences.PERMISSIVE", PERMISSIVE - {"Apache-2.0"})
    problem = problem_of(Pin("asyncpg", "1", ""))
    assert problem == "asyncpg is under Apache-2.0, which supply/licences.py does not allow"


def test_a_package_that_is_not_installed_needs_a_reason() -> None:
    assert "not installed" in str(problem_of(Pin("no-such-package", "1", "")))
    assert "not installed" in str(problem_of(Pin("colorama", "1", "")))
    assert problem_of(Pin("colorama", "1", "sys_platform == 'win32'")) is None

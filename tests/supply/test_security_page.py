"""What docs/security.md names exists, and it answers every requirement of levels 1 and 2."""

import ast
import re
from collections import Counter
from functools import cache

from pagersync.settings import Settings
from supply.lock import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`([^`\n]+)`", PAGE)

REQUIREMENTS = {
    1: "2 9 11 3 2",
    2: "3 3 4 1",
    3: "0 2 4 6 5 0 2",
    4: "3 1 2 4",
    5: "1 3 2 3",
    6: "3 12 4 4 5 3 0 4",
    7: "3 4 2 5 2 2",
    8: "2 3 1 1",
    9: "3 4",
    10: "2 2 4 11 5 2 3",
    11: "2 3 3 4 1 1 0",
    12: "3 2 4",
    13: "1 5 2 5",
    14: "2 4 3",
    15: "3 3 7 0",
    16: "1 5 4 3 3",
    17: "1 4 2",
}
"""How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has.

They are the first ones of their sections: those of level 3 stand last, but for the one of V3.1.
"""

VERDICTS = {"holds", "not applicable", "**holds in part**", "**does not hold**"}


@cache
def known_tests() -> frozenset[str]:
    """Return the names of all tests."""
    return frozenset(
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_test_that_is_named_exists() -> None:
    named = {name for name in NAMED if re.fullmatch(r"test_\w+", name)}
    assert len(named) > 80
    assert named - known_tests() == set()


def test_every_module_and_directory_that_is_named_exists() -> None:
    places = (ROOT, ROOT / "src" / "pagersync", ROOT / "tests")
    files = {name for name in NAMED if re.fullmatch(r"[\w/.-]+(\.py|\.lock|\.md)", name)}
    files |= {name for name in NAMED if name.startswith("tests/")}
    assert len(files) > 40
    assert [name for name in sorted(files) if not any((at / name).exists() for at in places)] == []


def test_every_setting_that_is_named_exists() -> None:
    named = {name for name in NAMED if name.startswith("PAGERSYNC_")}
    known = {f"PAGERSYNC_{name}".upper() for name in Settings.model_fields}
    assert {name.partition("=")[0] for name in named} - known == set()


def test_every_requirement_of_levels_1_and_2_has_one_answer() -> None:
    rows = re.findall(r"^\| (V[\d., V]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    answered = Counter(each for ids, _, _ in rows for each in ids.split(", "))
    asked = {
        f"V{chapter}.{section}.{number}"
        for chapter, counts in REQUIREMENTS.items()
        for section, count in enumerate(counts.split(), start=1)
        for number in range(1, int(count) + 1)
    }
    assert answered == Counter(asked)
    assert len(asked) == 253
    assert {verdict for _, verdict, _ in rows} == VERDICTS
    assert all(why.strip() for _, _, why in rows)

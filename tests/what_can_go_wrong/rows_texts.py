from typing import Final

from tests.what_can_go_wrong.row import Row

TITLE: Final = "Texts"

ROWS: Final = [
    Row(
        "The title of an incident is longer than a page's may be.",
        "colleague",
        "The page failed.",
        "The title is cut; the page, the run and the timeline say so.",
        "tests/test_fitting.py::test_a_long_text_is_cut_and_noted",
    ),
]

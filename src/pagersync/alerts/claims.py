"""What an alert that is made through the API may not say: that it is one of PagerTree's. Pure.

Nobody is refused for it, since somebody may have to be paged: the claim is left out, with a note.
"""

from typing import Any, Final

OF_PAGERTREE: Final = "pagertree"
"""The source of what PagerTree sent, and how the labels begin that say what it said."""

ID_OF_PAGERTREE: Final = "alt_"
"""How the ids of PagerTree's alerts begin."""

SOURCE_OF_REQUESTS: Final = "api"


def own_source(source: str | None, notes: list[str]) -> str | None:
    """Return the source that a request names, unless it is PagerTree's."""
    if source is None or source.strip().casefold() != OF_PAGERTREE:
        return source
    notes.append(
        f"source: {source.strip()!r} is for alerts that PagerTree sent: this one has "
        f"{SOURCE_OF_REQUESTS!r}"
    )
    return SOURCE_OF_REQUESTS


def own_external_id(external_id: str | None, notes: list[str]) -> str | None:
    """Return what a request calls its alert, unless PagerTree calls its alerts so."""
    if external_id is None or not external_id.strip().casefold().startswith(ID_OF_PAGERTREE):
        return external_id
    notes.append(
        f"external_id: it was left out, because ids of PagerTree's alerts begin with "
        f"{ID_OF_PAGERTREE!r}"
    )
    return None


def own_labels(labels: dict[str, Any] | None, notes: list[str]) -> dict[str, Any] | None:
    """Return the labels of a request without those that say what PagerTree said."""
    if labels is None:
        return None
    claims = [name for name in labels if name.strip().casefold().startswith(f"{OF_PAGERTREE}_")]
    notes += [
        f"the label {name!r} was left out: what begins with '{OF_PAGERTREE}_' is PagerTree's"
        for name in claims
    ]
    return {name: value for name, value in labels.items() if name not in claims}

"""What a page says of other accounts, taken out for a caller who is bound to one. Pure.

A page that was sent through another account names both accounts, and the first page names the
targets of the other one. `repeats_texts.py` and `task_account.py` write what is looked for here.
"""

import re
from typing import Final

from pagersync.paging.repeats_texts import CANNOT_PAGE, IN_ACCOUNT, PAGED_FOR_IT

_QUOTED: Final = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_ACCOUNT: Final = re.compile(f"the account ({_QUOTED})")
_PREFIX: Final = re.compile(rf"\((.{{1,200}}?){re.escape(CANNOT_PAGE)}", re.DOTALL)
_PAGED: Final = re.compile(
    rf"^.*{re.escape(PAGED_FOR_IT)}{re.escape(IN_ACCOUNT)}({_QUOTED})", re.DOTALL
)


def without_others(text: str, own: str | None) -> str:
    """Return a note or a description that names no account but `own`, and no target of others."""
    text = _PAGED.sub(lambda found: _paged(found, own), text)
    return _ACCOUNT.sub(lambda found: _account(found, own), text)


def title_without_others(title: str, own: str | None) -> str:
    """Return a page's title that names no account but `own`."""
    said, rest = "", title
    while found := _PREFIX.match(rest):
        name = found[1] if found[1] == own else "another account"
        said += f"({name}{CANNOT_PAGE}"
        rest = rest[found.end() :]
    return said + rest


def _paged(found: re.Match[str], own: str | None) -> str:
    return found[0] if found[1] == repr(own) else f"others were{PAGED_FOR_IT} in another account"


def _account(found: re.Match[str], own: str | None) -> str:
    return found[0] if found[1] == repr(own) else "another account"

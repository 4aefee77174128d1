"""Pages of lists, newest first, by number or by cursor."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Query, Request
from sqlalchemy import ColumnElement, Select, UnaryExpression, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ClauseElement, Executable
from sqlalchemy.sql.compiler import SQLCompiler
from starlette.datastructures import URL

from pagersync.cut_columns import Wide, read_cut
from pagersync.errors import InvalidError
from pagersync.jsonapi import Links, Meta

PAGE_SIZE_DEFAULT: Final = 50
PAGE_SIZE_MAX: Final = 200
OFFSET_MAX: Final = 10_000
COUNT_EXACT_MAX: Final = 10_000
PATH_SAFE: Final = "/:@!$&'()*+,;=~-._"
NOTHING_WIDE: Final = Wide()
CURSOR: Final = re.compile("^[A-Za-z0-9_-]{22}$")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for.

    Attributes:
        after: the id behind which it begins; None for a page by number.
    """

    request: Request
    number: int
    size: int
    after: UUID | None


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One page of rows and where it stands in the list."""

    rows: list[T]
    links: Links
    meta: Meta


def get_page(
    request: Request,
    number: Annotated[int, Query(alias="page[number]", ge=1, description="From 1.")] = 1,
    size: Annotated[int, Query(alias="page[size]", ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE_DEFAULT,
    after: Annotated[
        str | None,
        Query(
            alias="page[after]",
            description="`meta.next_cursor` of another page.",
            json_schema_extra={"pattern": CURSOR.pattern},
        ),
    ] = None,
) -> Page:
    """Read the page parameters of a request."""
    if after is None and (number - 1) * size > OFFSET_MAX:
        raise InvalidError(
            f"page[number] reaches at most {OFFSET_MAX} rows deep: go on with page[after]",
            parameter="page[number]",
        )
    return Page(request, number, size, None if after is None else _from_cursor(after))


PageDep = Annotated[Page, Depends(get_page)]


async def find(
    session: AsyncSession,
    statement: Select[T],
    key: InstrumentedAttribute[UUID],
    page: Page,
    *,
    order: Sequence[ColumnElement[Any]] = (),
    wide: Wide = NOTHING_WIDE,
) -> Found[T]:
    """Return one page of `statement`, newest first by `key`, a column of UUIDv7.

    Of `wide` columns, what is too long for a list or not asked for is not even read.

    Raises:
        InvalidError: in an `order` by anything else, which has pages by number only, one by cursor.
    """
    is_upwards = _is_by(order, key.asc())
    has_cursors = not order or is_upwards or _is_by(order, key.desc())
    if page.after is not None and not has_cursors:
        raise InvalidError("this order has no cursors: use page[number]", parameter="page[after]")
    by_key = key.asc() if is_upwards else key.desc()
    ordered = statement.order_by(*(() if has_cursors else order), by_key).limit(page.size + 1)
    if page.after is None:
        ordered = ordered.offset((page.number - 1) * page.size)
    else:
        ordered = ordered.where(key > page.after if is_upwards else key < page.after)
    rows = await read_cut(session, ordered, wide, page.size + 1)
    has_more = len(rows) > page.size
    rows = rows[: page.size]
    cursor = _to_cursor(getattr(rows[-1], key.key)) if has_more and has_cursors else None
    total = await _count(session, statement)
    return Found(
        rows,
        _links(page, cursor, total, has_more=has_more),
        _meta(page, cursor, total, has_more=has_more),
    )


def _is_by(order: Sequence[ColumnElement[Any]], by_key: UnaryExpression[Any]) -> bool:
    return len(order) == 1 and order[0].compare(by_key.nulls_last())


async def _count(session: AsyncSession, statement: Select[Any]) -> int:
    """Count exactly up to a bound; beyond it, take the planner's estimate."""
    one = statement.with_only_columns(text("1"), maintain_column_froms=True)
    bounded = one.order_by(None).limit(COUNT_EXACT_MAX + 1)
    count = await session.scalar(select(func.count()).select_from(bounded.subquery()))
    if (count or 0) <= COUNT_EXACT_MAX:
        return count or 0
    plan = await session.scalar(Explain(statement.order_by(None)))
    return max(int(plan[0]["Plan"]["Plan Rows"]), COUNT_EXACT_MAX + 1)


class Explain(Executable, ClauseElement):
    """`EXPLAIN (FORMAT JSON)` of a statement, with its own parameters."""

    inherit_cache: bool | None = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Explain, "postgresql")
def _explain(element: Explain, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


def _links(page: Page, cursor: str | None, total: int, *, has_more: bool) -> Links:
    url = _own_url(page.request)
    last = max(1, -(-total // page.size))

    def numbered(number: int) -> str:
        return str(
            url.remove_query_params("page[after]").include_query_params(**{"page[number]": number})
        )

    def following() -> str | None:
        if cursor is not None:  # a cursor neither skips nor repeats while rows are added
            others = url.remove_query_params("page[number]")
            return str(others.include_query_params(**{"page[after]": cursor}))
        if has_more and page.number * page.size <= OFFSET_MAX:
            return numbered(page.number + 1)
        return None

    is_reachable = (last - 1) * page.size <= OFFSET_MAX
    return Links(
        self=str(url),
        first=numbered(1),
        prev=numbered(page.number - 1) if page.after is None and page.number > 1 else None,
        next=following(),
        last=numbered(last) if is_reachable else None,
    )


def _own_url(request: Request) -> URL:
    """Return the address of a list, never by the `Host` that a caller may choose.

    It begins with PAGERSYNC_PUBLIC_URL; without one it is relative to where the list was asked for.
    """
    root, query = request.scope.get("root_path", ""), request.url.query
    settings = request.state.settings
    base = settings.base_url if settings.public_url else root
    path = request.scope["path"].removeprefix(root)
    return URL(f"{base}{quote(path, safe=PATH_SAFE)}{'?' if query else ''}{query}")


def _meta(page: Page, cursor: str | None, total: int, *, has_more: bool) -> Meta:
    numbered = page.after is None
    return Meta(
        next_cursor=cursor,
        current_page=page.number if numbered else None,
        next_page=page.number + 1 if numbered and has_more else None,
        prev_page=page.number - 1 if numbered and page.number > 1 else None,
        total_count=total,
        total_pages=-(-total // page.size),
    )


def _to_cursor(last: UUID) -> str:
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode()


def _from_cursor(cursor: str) -> UUID:
    if not CURSOR.fullmatch(cursor):
        raise InvalidError(
            "page[after] is no cursor: use meta.next_cursor of an earlier page",
            parameter="page[after]",
        )
    return UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))

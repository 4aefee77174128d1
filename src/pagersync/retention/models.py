"""What retention did last, for each kind of row."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base


class RetentionRun(Base):
    """The last run over one kind of row.

    Attributes:
        held: rows that are old enough and stayed, because a floor holds them.
        is_complete: False if the run ended before it had seen all rows.
        removed_total: rows that all runs removed.
    """

    __tablename__ = "retention_runs"

    kind: Mapped[str] = mapped_column(primary_key=True)
    ran_at: Mapped[datetime]
    removed: Mapped[int]
    held: Mapped[int]
    is_complete: Mapped[bool]
    removed_total: Mapped[int]

"""When the last backup was made."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base


class LastBackup(Base):
    """The last backup of the embedded database. One row."""

    __tablename__ = "last_backup"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

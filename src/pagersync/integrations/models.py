"""Connected PagerTree accounts, their webhook secrets, and what was refused at their door."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from pagersync.database.base import Base, CreatedAt, UpdatedAt, new_id

PAGERTREE_URL: Final = "https://api.pagertree.com/api/v4"
"""PagerTree's API base (its documentation, "Authentication")."""

ALERT_URL_TEMPLATE: Final = "https://app.pagertree.com/#/alert/{id}"
"""How PagerTree's own webhook examples link to an alert; an account may need another form."""

PAGE_AGAIN_AFTER_S: Final = 120


class WhenUnknown(StrEnum):
    """What to do about a page of which nobody can tell whether PagerTree has it.

    `keep_looking` looks for it until it is known. `page_again` also sends a new page, once.
    """

    KEEP_LOOKING = "keep_looking"
    PAGE_AGAIN = "page_again"


class Integration(UpdatedAt, Base):
    """One PagerTree account. A removed one keeps its row: alerts and deliveries name it.

    Attributes:
        is_default: whether it is used for what names no account; at most one has it.
        directory_sync_at: when its teams, users and routers are to be listed again.
        directory_synced_at: as of when the directory is what PagerTree listed; None: never yet.
        directory_error: why the last try to list them failed, or was not believed; None: neither.
        default_targets: whom workflows page that name nobody: `teams`, `users` and `routers`, each
            a list of `{"id", "name"}` as a request names them.
        when_unknown: what to do about a page that stays `unknown`.
        page_again_after_s: after which time, if it is to page again.
    """

    __tablename__ = "integrations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    pagertree_url: Mapped[str] = mapped_column(server_default=PAGERTREE_URL)
    api_key_encrypted: Mapped[bytes | None]
    alert_url_template: Mapped[str] = mapped_column(server_default=ALERT_URL_TEMPLATE)
    alerts_per_day_max: Mapped[int | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))
    verified_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    directory_sync_at: Mapped[datetime] = mapped_column(server_default=func.now())
    directory_synced_at: Mapped[datetime | None]
    directory_error: Mapped[str | None]
    default_targets: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    when_unknown: Mapped[str] = mapped_column(server_default="keep_looking")
    page_again_after_s: Mapped[int] = mapped_column(server_default=str(PAGE_AGAIN_AFTER_S))

    __table_args__ = (
        CheckConstraint(
            f"when_unknown IN ({', '.join(repr(each.value) for each in WhenUnknown)})",
            name="when_unknown",
        ),
        Index(
            "integrations_name_key",
            "name",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
        Index(
            "integrations_default_key",
            "is_default",
            unique=True,
            postgresql_where=text("is_default"),
        ),
    )


class SecretKeyFingerprint(UpdatedAt, Base):
    """A constant, encrypted: who cannot decrypt it has another secret key. One row."""

    __tablename__ = "secret_key_fingerprint"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    encrypted: Mapped[bytes]

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class WebhookSecret(CreatedAt, Base):
    """A secret that PagerTree presents. Only its hash is kept; a rotated one works for a while."""

    __tablename__ = "webhook_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    integration_id: Mapped[UUID] = mapped_column(
        ForeignKey("integrations.id", ondelete="CASCADE"), index=True
    )
    sha256: Mapped[bytes]
    expires_at: Mapped[datetime | None]


class WebhookRefusal(Base):
    """How often, and when last, webhook requests were turned away, by reason."""

    __tablename__ = "webhook_refusals"

    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int]
    last_at: Mapped[datetime]


class AlertsPerDay(Base):
    """New alerts of one integration and day (UTC); kept only where there is a limit."""

    __tablename__ = "alerts_per_day"

    integration_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    alerts: Mapped[int]

"""What endpoints were not told, as a finding."""

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.settings import Settings
from pagersync.webhooks.models import WebhookDelivery, WebhookState


async def find_untold(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return how many events did not reach their endpoints, and the newest of them."""
    del settings
    dead = WebhookDelivery.state == WebhookState.DEAD
    count = await session.scalar(select(func.count()).where(dead))
    newest = await session.scalar(
        select(WebhookDelivery.id).where(dead).order_by(WebhookDelivery.id.desc()).limit(1)
    )
    if newest is None:
        return []
    detail = f"Events that did not reach their webhook endpoint after all attempts: {count}."
    remedy = f"mend the endpoint, then for each: POST /v1/webhooks/deliveries/{newest}/deliver"
    return [Finding("webhooks_dead", Level.WARNING, detail, remedy)]

"""What is wrong with connected accounts."""

from datetime import UTC, datetime
from shlex import quote

from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.findings import Finding, Level
from pagersync.integrations.gate import GateReason, list_gates
from pagersync.integrations.service import list_integrations
from pagersync.integrations.waiting import AccountState, why_account_waits
from pagersync.settings import Settings


async def find_account_problems(session: AsyncSession, settings: Settings) -> list[Finding]:
    """Return what keeps accounts from being paged, or from being listed."""
    del settings
    accounts = await list_integrations(session)
    if not accounts:
        return [
            Finding(
                "no_account",
                Level.CRITICAL,
                "No PagerTree account is connected, so nobody can be paged.",
                "pagersync integrations add NAME",
            )
        ]
    gates = await list_gates(session, [account.id for account in accounts])
    now = datetime.now(UTC)
    found = []
    for account in accounts:
        if not account.enabled:
            found.append(
                Finding(
                    "account_disabled",
                    Level.WARNING,
                    f"The account {account.name!r} is disabled: nobody is paged through it.",
                    f"pagersync integrations enable {quote(account.name)}",
                    account.id,
                )
            )
        state = AccountState(account.name, enabled=True, limiter=gates.get(account.id))
        if reason := why_account_waits(state, now):
            found.append(
                Finding(
                    "account_waits",
                    Level.CRITICAL,
                    f"Pages of the account {account.name!r} wait. {reason}",
                    _account_remedy(account.name, state),
                    account.id,
                )
            )
        if account.directory_error is not None:
            found.append(
                Finding(
                    "directory_error",
                    Level.WARNING,
                    f"The teams and users of {account.name!r} could not be listed: "
                    f"{account.directory_error}",
                    "pagersync directory sync",
                    account.id,
                )
            )
    return found


def _account_remedy(name: str, state: AccountState) -> str:
    is_key = state.limiter and state.limiter.reason == GateReason.CREDENTIALS_REFUSED
    return f"pagersync integrations {'set-api-key' if is_key else 'show'} {quote(name)}"

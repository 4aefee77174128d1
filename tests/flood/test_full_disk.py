"""A disk that is really full: what was taken is paged for, the rest is refused, and it recovers."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from tests.flood.stage import Stage, a_stage
from tests.support.account import event
from tests.support.wait import eventually

pytestmark = [pytest.mark.flood, pytest.mark.timeout(180)]

MUCH = "CREATE TABLE much AS SELECT repeat('x', 1000) FROM generate_series(1, 99999)"
MIB = 1024 * 1024
FREE_MIB_MIN = 32


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """Yield a directory on a disk of its own that is soon full."""
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp") as directory:
        Path(directory).chmod(0o711)
        _mount("mount", "-t", "tmpfs", "-o", "size=256m,mode=711", "tmpfs", directory)
        yield Path(directory)
        _mount("umount", "--lazy", directory)


def _mount(command: str, *arguments: str) -> None:
    try:
        subprocess.run([shutil.which(command) or command, *arguments], check=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"it needs a disk of its own, and mounting one failed: {error}")


def fill(disk: Path, *, but_mib: int) -> Path:
    """Fill a disk but for so much; return the file that does."""
    filler = disk / "filler"
    with filler.open("ab") as file, suppress(OSError):
        while (free := shutil.disk_usage(disk).free) > but_mib * MIB:
            file.write(bytes(min(MIB, free)))
            file.flush()
    return filler


async def is_paged(stage: Stage, title: str) -> bool:
    """Tell whether PagerTree has an alert of that title."""
    return any(title in alert["title"] for alert in stage.pagertree.simulator.alerts())


async def test_a_disk_that_is_really_full_loses_nothing_that_was_taken(small_disk: Path) -> None:
    async with a_stage(small_disk, PAGERSYNC_DISK_FREE_MIB_MIN=str(FREE_MIB_MIN)) as stage:
        await stage.seconds_to_page()
        stage.pagertree.simulator.change(outage="unavailable")
        taken = [await stage.webhook() for _ in range(20)]
        filler = fill(small_disk, but_mib=FREE_MIB_MIN // 4)

        async def refused() -> bool:
            answer = await stage.api.post(
                stage.webhook_url, params={"secret": stage.secret}, json=event("alert.created")
            )
            return answer.status_code == 503 and "Retry-After" in answer.headers

        await eventually(refused)
        ready = await stage.api.get("/readyz")
        assert ready.status_code == 503
        stage.pagertree.simulator.change(outage="none")
        for title in taken:
            await eventually(partial(is_paged, stage, title), timeout_s=40)
        fill(small_disk, but_mib=0)
        with pytest.raises((DBAPIError, asyncpg.PostgresError, OSError)):
            await stage.execute(MUCH)
        filler.unlink()
        title = await eventually(partial(taken_again, stage), timeout_s=60)
        await eventually(partial(is_paged, stage, title), timeout_s=40)


async def taken_again(stage: Stage) -> str:
    """Return the title of a webhook that is taken, as soon as one is."""
    with suppress(AssertionError):
        return await stage.webhook()
    return ""

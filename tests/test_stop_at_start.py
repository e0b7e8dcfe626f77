"""A service that is told to stop before it stands: it ends at once, with nothing to complain of."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager

import pytest

from tests.ports import free_ports

pytestmark = pytest.mark.timeout(40)


@asynccontextmanager
async def starting(folder):
    """Start the service as systemd does, with a database that does not answer."""
    closed = free_ports(1)
    settings = {
        "INTERCOM_CALLER_ID": "+4723506953",
        "INTERCOM_STATE_DIR": str(folder / "state"),
        "INTERCOM_PUBLIC_ADDRESS": "127.0.0.1",
        "INTERCOM_DATABASE": f"postgresql://nobody@127.0.0.1:{closed}/none",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "intercom", "serve"),
        env={"PATH": os.environ["PATH"], **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def stopped(process):
    """Send SIGTERM; give the exit code and what was said from then on."""
    process.terminate()
    async with asyncio.timeout(20):
        _, said = await process.communicate()
    return process.returncode, said.decode()


async def test_a_sigterm_while_the_database_is_awaited_ends_with_exit_code_0(tmp_path):
    async with starting(tmp_path) as process:
        async with asyncio.timeout(30):
            async for line in process.stderr:
                if b"service.database_awaited" in line:
                    break

        code, said = await stopped(process)

    assert code == 0, said
    assert "Traceback" not in said.partition("service.stopped_at_start")[2]
    assert "service.stopped_at_start" in said


async def test_a_sigterm_while_the_libraries_load_ends_with_exit_code_0(tmp_path):
    async with starting(tmp_path) as process:
        async with asyncio.timeout(30):
            while not (tmp_path / "state").exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.005)

        code, said = await stopped(process)

    assert (code, said) == (0, "")

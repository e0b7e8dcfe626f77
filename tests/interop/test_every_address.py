"""A router that listens on every address of the machine still answers from the one that it names."""

from pathlib import Path

import pytest

from tests.interop.house import BUTTON, Door, House, Router, app_of, panel_of

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]


async def test_an_app_that_reaches_it_over_another_interface_sees_the_picture(
    tmp_path: Path,
) -> None:
    every = {"INTERCOM_SIP_HOST": "0.0.0.0", "INTERCOM_MEDIA_HOST": "0.0.0.0"}
    async with (
        Door() as door,
        Router(House(has_app=True, settings=every), folder=tmp_path, door=door) as router,
        app_of(router) as app,  # on loopback alone, whereas the router names another address
        panel_of(router, tmp_path) as panel,
    ):
        await panel.post("/api/press", button=BUTTON)

        await app.reaches("/api/state", call__media_state="connected")

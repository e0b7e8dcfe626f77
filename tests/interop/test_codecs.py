"""Panels and phones by others that speak G.722 or Opus: shared where both do, else turned into G.711."""

import asyncio
from pathlib import Path

import pytest

from tests.interop.house import ACCOUNT_PASSWORD, BUTTON, PANEL, PANEL_PASSWORD, Door, House, Router
from tests.interop.linphone import Linphone
from tests.interop.machine import Namespace, text
from tests.interop.strangers import Baresip
from tests.interop.test_baresip_rings import PANEL_HZ, TALK_S, loudest_share

pytestmark = [pytest.mark.interop, pytest.mark.timeout(40)]

USER = "kari-desk"
RESIDENT_HZ = 550  # far from any key's tones, which the phone's ear takes out
PROMPT_S = 5.0  # with the words of a busy machine
OPUS = "opus/48000/2"
G722 = "G722/16000/1"  # as baresip calls it in its account; in SDP it says 8000


@pytest.mark.parametrize(
    ("panels", "phones", "agreed"),
    [
        (OPUS, OPUS, "opus"),
        (G722, G722, "G722"),
        (OPUS, "PCMA", "PCMA"),
        (OPUS, "PCMU", "PCMU"),
        (G722, "PCMA", "PCMA"),
        ("PCMA", f"{OPUS},{G722},PCMA", "PCMA"),
    ],
)
async def test_a_panel_and_a_phone_hear_each_other_whatever_they_speak(
    tmp_path: Path, panels: str, phones: str, agreed: str
) -> None:
    async with (
        Namespace() as namespace,
        Door() as door,
        Router(House(host=namespace.host, sip_account=USER), folder=tmp_path, door=door) as router,
        Baresip(
            namespace,
            folder=tmp_path,
            server=router.sip,
            username=PANEL,
            password=PANEL_PASSWORD,
            tone_hz=PANEL_HZ,
            audio_codec=panels,
        ) as panel,
        Baresip(
            namespace,
            folder=tmp_path,
            server=router.sip,
            username=USER,
            password=ACCOUNT_PASSWORD,
            is_answering=True,
            tone_hz=RESIDENT_HZ,
            audio_codec=phones,
        ) as phone,
    ):
        await panel.registered()
        await phone.registered()
        await panel.dial(f"sip:{BUTTON}@{router.sip[0]}:{router.sip[1]}")
        await phone.event("CALL_ESTABLISHED")
        await asyncio.sleep(PROMPT_S + TALK_S)
        await panel.hang_up()
        await phone.event("CALL_CLOSED")
        await panel.event("CALL_CLOSED")  # what it recorded is written down then
        heard_there, heard_here = panel.heard(), phone.heard()

    assert loudest_share(heard_here, PANEL_HZ) > 0.9
    assert loudest_share(heard_there, RESIDENT_HZ) > 0.9
    assert f"Set audio encoder: {agreed}" in text(phone.log)


async def test_linphone_talks_with_a_panel_of_opus_and_opens_it(tmp_path: Path) -> None:
    async with (
        Namespace() as namespace,
        Door() as door,
        Router(House(host=namespace.host, sip_account=USER), folder=tmp_path, door=door) as router,
        Baresip(
            namespace,
            folder=tmp_path,
            server=router.sip,
            username=PANEL,
            password=PANEL_PASSWORD,
            tone_hz=PANEL_HZ,
            audio_codec=OPUS,
        ) as panel,
        Linphone(
            namespace,
            folder=tmp_path,
            server=router.sip,
            username=USER,
            password=ACCOUNT_PASSWORD,
            tone_hz=RESIDENT_HZ,
        ) as phone,
    ):
        await panel.registered()
        await phone.register()
        await panel.dial(f"sip:{BUTTON}@{router.sip[0]}:{router.sip[1]}")
        await phone.rings()
        phone.command("answer")
        await panel.event("CALL_ESTABLISHED")
        await asyncio.sleep(PROMPT_S + TALK_S)
        phone.command("5")
        await asyncio.sleep(1.0)
        phone.command("terminate")
        await panel.event("CALL_CLOSED", limit_s=3.0)
        heard_there, heard_here = panel.heard(), phone.heard()

    assert door.openings == 1
    assert loudest_share(heard_here, PANEL_HZ) > 0.9
    assert loudest_share(heard_there, RESIDENT_HZ) > 0.9

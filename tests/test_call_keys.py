"""A whole call by the sound of its phone: a machine's beep, a key in the sound, a visitor's tone and its echo."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from intercom.media import g711, rtp, tones
from intercom.media.leg import Media
from intercom.media.tone_guard import VETO_S
from intercom.routing import events as ev
from intercom.routing.commands import EndReason, PanelState
from intercom.routing.ids import LegId
from tests.fakes import ANNA_APP, PANEL, make_house
from tests.media.key_house import PlainerLeg, frames, key_tone, to_pcm
from tests.media.peers import Peer, delivered
from tests.test_switchboard import LEG, open_rig, settled


class Phone:
    """The phone that was rung, which answers and sounds."""

    def __init__(self, rig):
        self.leg_id = rig.world.phones.leg
        self.leg = PlainerLeg(self.leg_id, float)
        self.leg.events = False
        self.sequence, self.now = 0, 50.0
        rig.world.phones.facts.bridge.attach(self.leg, hears_visitor=False, is_phone=True)
        rig.post(ev.LegAnswered(self.leg_id))

    def sound(self, *sounds):
        for samples in frames(*sounds):
            head = rtp.build_header(8, self.sequence, self.sequence * 160, 7)
            packet = memoryview(head + g711.encode(to_pcm(samples), self.leg.codec))
            self.sequence += 1
            self.now += 0.02
            if self.leg.on_rtp is not None:
                self.leg.on_rtp(self.leg, Media.AUDIO, packet, self.now)


def beep():
    return np.frombuffer(tones.tone([1000], 400), "<i2").astype(float)


def quiet(ms):
    return np.zeros(8 * ms)


async def test_a_voicemails_beep_ends_the_phones_leg_and_the_plan_goes_on():
    house = make_house()
    anna = replace(house.doorbells["anna"], app_stage_s=0.01, phone_stage_s=30.0)
    async with open_rig(replace(house, doorbells={"anna": anna})) as rig:
        rig.press()
        await asyncio.sleep(0.05)
        phone = Phone(rig)
        await settled()
        assert rig.world.screens.shown[-1] == (PANEL, PanelState.TALKING, None)

        phone.sound(quiet(500), beep(), quiet(200))
        await settled()

        assert phone.leg_id in rig.world.phones.ended
        assert list(rig.world.apps.ringing.values()) == [ANNA_APP]
        assert rig.switchboard.calls == 1
        assert rig.world.panels.ended == {}
        steps = [step.text for call in rig.trace.calls() for step in call.steps]
        assert "a beep from the resident's phone" in steps
        app_leg = rig.world.apps.leg
        rig.post(ev.LegAnswered(app_leg))
        await settled()
        assert ("connect", app_leg, None) in rig.world.apps.told


async def test_a_beep_with_nobody_else_to_ring_ends_the_call_as_if_nobody_answered():
    async with open_rig() as rig:
        rig.world.presence.targets.clear()
        rig.press()
        phone = Phone(rig)
        await settled()

        phone.sound(quiet(100), beep())
        await settled()

        assert rig.world.panels.ended.keys() == {LEG}
        assert rig.world.panels.ended[LEG] is not EndReason.FAULT
        assert rig.is_empty


async def test_a_key_in_the_sound_alone_opens_the_door_once_and_then_a_beep_ends_nothing():
    async with open_rig() as rig:
        rig.world.presence.targets.clear()
        rig.press()
        phone = Phone(rig)
        await settled()

        phone.sound(quiet(200), key_tone("5", 120), quiet(500), beep(), quiet(300))
        await settled()

        assert len(rig.world.relay.pulses) == 1
        assert rig.switchboard.calls == 1


@pytest.mark.timeout(20)
async def test_a_visitors_five_over_real_sockets_opens_nothing_and_the_residents_own_does():
    async with open_rig() as rig:
        rig.world.presence.targets.clear()
        rig.press()
        bridge = rig.world.phones.facts.bridge
        panel, phone = Peer("panel-leg", ssrc=1), Peer(rig.world.phones.leg, ssrc=2)
        bridge.attach_panel(panel.leg)
        bridge.attach(phone.leg, hears_visitor=False, is_phone=True)
        rig.post(ev.LegAnswered(LegId(rig.world.phones.leg)))
        await settled()
        bridge.play(
            phone.leg.leg_id, bytes(320)
        )  # instead of the prompt, which would be heard alone
        await asyncio.sleep(0.1)
        phone.heard()
        panel_says = frames(quiet(100), key_tone("5", 300), quiet(100))
        heard = []
        for samples in panel_says:
            panel.say(g711.encode(to_pcm(samples), panel.codec))
            await delivered()
            for _, payload in phone.heard():
                heard.append(payload)
                phone.say(payload)  # all of it comes back
        phone.say(
            bytes([5, 10, 0, 160]), payload_type=101, marker=True
        )  # and the carrier's own idea
        bridge.digit_by_info(phone.leg.leg_id, "5")
        await delivered()
        await settled()
        assert rig.world.relay.pulses == []
        assert len(heard) == len(panel_says)
        pcm = g711.decode(b"".join(heard), phone.codec)
        assert np.count_nonzero(np.abs(np.frombuffer(pcm, "<i2")) > 100) <= 160

        await asyncio.sleep(VETO_S + 0.05)
        phone.say(bytes([5, 10, 0, 160]), payload_type=101, timestamp=(phone.sequence + 90) * 160)
        await delivered()
        await settled()

        assert len(rig.world.relay.pulses) == 1
        rig.post(ev.PanelLeft(LEG))
        await settled()
        panel.close()
        phone.close()

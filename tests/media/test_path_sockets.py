"""Each cause of one-way sound, made on real sockets and named in the words that the trace shows."""

import asyncio
import socket
from dataclasses import replace

import pytest

from intercom.media import rtcp, rtp
from intercom.media.bridge import Bridge
from intercom.media.leg import Media
from intercom.media.path import PathCause
from tests.media.peers import HOST, ManualClock, Peer, delivered
from tests.media.srtp_peers import SecurePeer

SPEECH = bytes(range(160))


class Line:
    """A panel and a phone on real sockets; the supervision's time is turned by hand."""

    def __init__(self, phone=None):
        self.clock = ManualClock()
        self.told, self.words = [], []
        self.bridge = Bridge(on_digit=lambda *_: None, clock=self.clock, call_at=self.clock.call_at)
        watch = self.bridge.supervision
        watch.on_path = lambda leg, media, is_lost: self.told.append((leg, media, is_lost))
        watch.on_path_words = lambda leg, words: self.words.append((leg, words))
        self.panel, self.phone = Peer("panel"), phone or Peer("phone")
        self.bridge.attach_panel(self.panel.leg)
        self.bridge.attach(self.phone.leg, hears_visitor=False, is_phone=True)
        self.bridge.connect("phone")

    async def run(self, seconds, *sends):
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)
            self.panel.say(SPEECH)
            for send in sends:
                send()
            await delivered()

    def phone_words(self):
        return [words for leg, words in self.words if leg == "phone"]

    def close(self):
        self.bridge.close()
        self.panel.close()
        self.phone.close()


@pytest.fixture
async def line():
    one = Line()
    yield one
    one.close()


async def test_nothing_wrong_is_nothing_said(line):
    await line.run(15, lambda: line.phone.say(SPEECH))

    assert line.words == []
    assert line.told == []


async def test_nothing_at_all(line):
    await line.run(4)

    assert line.told == [("phone", Media.AUDIO, True)]
    assert line.phone_words() == [f"no sound for 3 s: {PathCause.NOTHING.value}"]


async def test_nat_sends_from_another_address_than_the_sdp_names(line):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        packet = rtp.build_header(8, 1, 160, 7) + SPEECH
        place = (HOST, line.phone.leg.audio_port)
        await line.run(4, lambda: elsewhere.sendto(packet, place))

    assert line.phone_words() == [f"no sound for 3 s: {PathCause.WRONG_SOURCE.value}"]
    assert "media_networks" in PathCause.WRONG_SOURCE.value


class NamedPeer(Peer):
    """Its SDP names another host than the one it is at."""

    host = ""

    def negotiated(self, **changes):
        agreed = super().negotiated(**changes)
        audio = replace(agreed.audio, remote=(self.host, 4000), remote_rtcp=(self.host, 4001))
        return replace(agreed, audio=audio)


class BehindNat(NamedPeer):
    host = "10.99.0.9"


class WithoutAddress(NamedPeer):
    host = "phone.example"


async def test_nat_names_an_address_that_only_its_own_network_reaches():
    line = Line(BehindNat("phone"))

    await line.run(4)

    assert f"no sound for 3 s: {PathCause.PRIVATE_ADDRESS.value}" in line.phone_words()
    line.close()


async def test_an_sdp_without_a_usable_address_cannot_be_sent_to():
    line = Line(WithoutAddress("phone"))

    await line.run(4)

    assert PathCause.NO_ADDRESS.value in line.phone_words()
    line.close()


async def test_another_codec_than_was_agreed_on(line):
    await line.run(4, lambda: line.phone.say(SPEECH, payload_type=18))

    assert line.phone_words() == [f"no sound for 3 s: {PathCause.WRONG_CODEC.value}"]


async def test_srtp_with_other_keys():
    line = Line(SecurePeer("phone"))
    line.phone.choose_keys(9)  # and tells nobody
    await line.run(4, lambda: line.phone.say(SPEECH))

    assert line.phone_words() == [f"no sound for 3 s: {PathCause.NOT_AUTHENTIC.value}"]
    line.close()


async def test_a_muted_phone_that_only_sends_reports(line):
    report = rtcp.build_receiver_report(rtcp.ReceiverReport(7))
    place = (HOST, line.phone.leg.audio_rtcp_port)
    await line.run(1, lambda: line.phone.say(SPEECH))

    await line.run(4, lambda: line.phone.sockets[1].sendto(report, place))

    assert line.phone_words() == [f"no sound for 3 s: {PathCause.QUIET.value}"]


async def test_a_muted_phone_that_sends_digital_silence(line):
    await line.run(12, lambda: line.phone.say(b"\xd5" * 160))

    assert line.phone_words() == [f"for 10 s {PathCause.DIGITAL_SILENCE.value}"]
    assert line.told == []


async def test_a_phone_whose_port_is_closed_cannot_be_sent_to(line):
    await line.run(3, lambda: line.phone.say(SPEECH))  # by now it is believed for good
    line.phone.sockets[0].close()

    await line.run(5)

    assert PathCause.SEND_FAILS.value in line.phone_words()


async def test_a_phone_that_reports_to_have_got_nothing(line):
    ours = line.phone.leg.out(Media.AUDIO).ssrc
    block = rtcp.ReportBlock(ours, fraction_lost=255, highest_sequence=7)
    report = rtcp.build_receiver_report(rtcp.ReceiverReport(7, (block,)))
    place = (HOST, line.phone.leg.audio_rtcp_port)

    for _ in range(2):
        await line.run(11, lambda: line.phone.say(SPEECH))
        line.phone.sockets[1].sendto(report, place)
    await line.run(5, lambda: line.phone.say(SPEECH))

    assert line.phone_words() == [PathCause.UNHEARD.value]


async def test_in_real_time_a_loss_is_told_between_3_and_4_s():
    loop = asyncio.get_running_loop()
    panel, phone, told = Peer("panel"), Peer("phone"), []
    bridge = Bridge(on_digit=lambda *_: None)
    bridge.supervision.on_path = lambda *what: told.append((loop.time(), *what))
    bridge.attach_panel(panel.leg)
    bridge.attach(phone.leg, hears_visitor=False, is_phone=True)
    bridge.connect(phone.leg.leg_id)
    began = loop.time()
    while not told and loop.time() < began + 4.5:
        panel.say(SPEECH)
        await asyncio.sleep(0.05)

    ((at, leg_id, media, is_lost),) = told
    assert (leg_id, media, is_lost) == ("phone", Media.AUDIO, True)
    assert 2.9 < at - began < 4.0
    for each in (bridge, panel, phone):
        each.close()

"""What a simulated phone says and when what it hears belongs."""

from firmware_sim.voice import Playout, Voice, frames, hum
from intercom.media import rtp, tones
from intercom.media.beep import BeepDetector
from intercom.sip.offer_answer import Codec

TALK = bytes(320)


def test_a_press_is_eight_packets_of_one_event_and_its_end_thrice() -> None:
    voice = Voice(Codec.PCMU, 101, ssrc=7, sequence_number=0xFFFE, timestamp=0xFFFFFF00)
    voice.press("5")

    packets = [packet for _ in range(10) for packet in voice.next_packets(TALK)]

    headers = [header for packet in packets if (header := rtp.parse(packet)) is not None]
    events = [packet[12:].hex() for packet in packets if packet[1] & 0x7F == 101]
    numbers = [header.sequence_number for header in headers]
    assert events == [f"050a{160 * n:04x}" for n in range(1, 8)] + ["058a0500"] * 3
    assert numbers == [(0xFFFE + n) & 0xFFFF for n in range(12)]
    assert {header.timestamp for header in headers[:10]} == {0xFFFFFF00}
    assert [header.marker for header in headers] == [True, *[False] * 9, True, False]
    assert headers[10].timestamp == (0xFFFFFF00 + 8 * 160) & 0xFFFFFFFF


def test_two_presses_are_two_events() -> None:
    voice = Voice(Codec.PCMU, 101, ssrc=7)
    voice.press("5")
    voice.press("5")

    packets = [packet for _ in range(20) for packet in voice.next_packets(TALK)]

    assert len({packet[4:8] for packet in packets if packet[1] & 0x7F == 101}) == 2


def test_a_press_without_negotiated_events_sounds() -> None:
    voice = Voice(Codec.PCMU, None, ssrc=7)
    voice.press("5")

    assert all(packet[1] & 0x7F == 0 for _ in range(10) for packet in voice.next_packets(TALK))


def test_a_late_packet_belongs_where_its_timestamp_says() -> None:
    playout = Playout()

    assert playout.at_ms(1, 0xFFFFFFFF - 159, 1000) == 1000
    assert playout.at_ms(1, 0, 1190) == 1020
    assert playout.at_ms(1, 160, 1191) == 1040


def test_a_new_source_or_a_leap_starts_anew() -> None:
    playout = Playout()
    playout.at_ms(1, 5000, 1000)

    assert playout.at_ms(2, 99, 1300) == 1300
    assert playout.at_ms(2, 99 + 80_000, 1320) == 1320


def test_a_hum_is_one_pitch_and_no_machine_takes_it_for_a_beep() -> None:
    sound = hum(1000, 1000)
    assert tones.tone_share(sound, 1000) == 1.0
    beep = BeepDetector()
    assert not any(beep.feed(piece) for piece in frames(sound * 3))

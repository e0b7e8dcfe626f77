"""A WebRTC leg against an app made of bare sockets: the way up, the way down, and attacks."""

import asyncio

import pytest
from aioice import stun
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intercom.errors import RemoteProtocolError
from intercom.media.leg import Media
from intercom.media.webrtc import WebRtcFailure, WebRtcLeg, WebRtcLimits
from intercom.routing.ids import LegId
from intercom.sip.offer_answer import Codec
from tests.media.webrtc_apps import IDENTITY, BareApp, Door, panel_video, rtp

SOUND = bytes(160)
PLI = bytes.fromhex("81ce0002 00000001")  # RFC 4585 §6.3.1; the media SSRC follows
RECEIVER_REPORT = bytes.fromhex("80c90001 00000001")


async def connected(door: Door, app: BareApp) -> None:
    video = "102" if door.leg.out(Media.VIDEO) else None
    door.leg.accept_answer(app.answer(video=video))
    await app.connect()
    await door.is_ready()


async def test_sound_flows_both_ways_once_the_handshake_is_done():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)
        up = rtp(8, 1, 160, 7, SOUND)
        down = rtp(8, 1, 160, door.leg.out(Media.AUDIO).ssrc, SOUND)

        app.send(app.protect(up))
        door.leg.send_rtp(Media.AUDIO, down)

        assert await door.has_heard(1) == [up]
        assert app.unprotect(await app.receive()) == down


async def test_two_apps_on_one_port_hear_only_their_own():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        other_leg = WebRtcLeg.open(LegId("other"), door.mux, IDENTITY, Codec.PCMU, None)
        async with BareApp(other_leg.offer()) as other_app:
            other_leg.accept_answer(other_app.answer())
            await connected(door, app)
            await other_app.connect()
            door.leg.send_rtp(Media.AUDIO, rtp(8, 1, 160, 1, SOUND))
            other_leg.send_rtp(Media.AUDIO, rtp(8, 2, 160, 2, SOUND))
            other_app.send(other_app.protect(rtp(8, 3, 160, 3, SOUND)))
            app.send(app.protect(rtp(8, 4, 160, 4, SOUND)))

            assert app.unprotect(await app.receive())[3] == 1
            assert other_app.unprotect(await other_app.receive())[3] == 2
            assert [packet[3] for packet in await door.has_heard(1)] == [4]
        other_leg.close()


async def test_nothing_is_sent_before_the_leg_is_ready():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await app.check()

        door.leg.send_rtp(Media.AUDIO, rtp(8, 1, 160, 1, SOUND))

        with pytest.raises(TimeoutError):
            await app.receive(timeout_s=0.05)


async def test_checks_and_handshake_may_come_before_the_answer():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await app.connect()
        was_ready_without_answer = door.leg.is_ready

        door.leg.accept_answer(app.answer())

        await door.is_ready()
        assert not was_ready_without_answer


async def test_the_answer_chooses_law_and_payload_types():
    async with Door(video=panel_video("640028")) as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer(audio="0 8", video="104"))

        assert door.leg.codec is Codec.PCMU
        assert door.leg.in_payload_type(Media.AUDIO) == 0
        assert door.leg.in_payload_type(Media.VIDEO) is None
        assert door.leg.out(Media.AUDIO).payload_type == 0
        assert door.leg.out(Media.VIDEO).payload_type == 104


async def test_an_app_that_refuses_the_picture_still_has_sound():
    async with Door(video=panel_video()) as door, BareApp(door.leg.offer()) as app:
        answer = app.answer(video="102").replace("m=video 9", "m=video 0")

        door.leg.accept_answer(answer)

        assert door.leg.out(Media.VIDEO) is None
        assert door.leg.out(Media.AUDIO) is not None


async def test_a_second_answer_is_refused():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer())

        with pytest.raises(RemoteProtocolError):
            door.leg.accept_answer(app.answer())


async def test_a_refused_answer_may_be_followed_by_a_right_one():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        with pytest.raises(RemoteProtocolError):
            door.leg.accept_answer("v=0\r\n")

        await connected(door, app)

        assert door.leg.is_ready


async def test_key_frame_requests_come_as_video_and_reports_on_sound_as_audio():
    async with Door(video=panel_video()) as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)
        pli = PLI + door.leg.out(Media.VIDEO).ssrc.to_bytes(4)

        app.send(app.protect_rtcp(RECEIVER_REPORT + pli))
        app.send(app.protect_rtcp(RECEIVER_REPORT))

        assert await door.has_reports(2) == [
            (Media.VIDEO, RECEIVER_REPORT + pli),
            (Media.AUDIO, RECEIVER_REPORT),
        ]


async def test_rtcp_toward_the_app_is_protected_too():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)

        door.leg.send_rtcp(Media.AUDIO, RECEIVER_REPORT)

        assert app.unprotect_rtcp(await app.receive()) == RECEIVER_REPORT


async def test_media_follows_the_app_to_another_network():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)
        with app.new_socket() as other:
            await app.check(nominate=False, udp=other)
            door.leg.send_rtp(Media.AUDIO, rtp(8, 1, 160, 1, SOUND))
            before = app.unprotect(await app.receive())

            await app.check(nominate=True, udp=other)
            door.leg.send_rtp(Media.AUDIO, rtp(8, 2, 320, 1, SOUND))
            after = app.unprotect(await app.receive(other))
            app.send(app.protect(rtp(8, 1, 160, 7, SOUND)), other)

            assert before[2:4] == b"\x00\x01"
            assert after[2:4] == b"\x00\x02"
            assert len(await door.has_heard(1)) == 1


async def test_a_client_hello_from_a_wrong_source_is_ignored_and_the_real_handshake_completes():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer())
        await app.check()
        async with BareApp(door.leg.offer()) as stranger:
            stranger.send(stranger.client_hello())
            with pytest.raises(TimeoutError):
                await stranger.receive(timeout_s=0.05)

        await app.handshake()

        await door.is_ready()
        assert door.mux.dropped == 1


@pytest.mark.parametrize("moment", ["before the app's check", "after it"])
async def test_a_thousand_client_hellos_from_wrong_sources_stop_no_handshake(moment):
    """From sources that proved nothing, with hellos of their own and one that was overheard."""
    async with Door() as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer())
        if moment == "after it":
            await app.check()
        async with BareApp(door.leg.offer()) as stranger, BareApp(door.leg.offer()) as other:
            hellos = [stranger.client_hello(), app.client_hello()]
            for n in range(1000):
                one = (stranger, other)[n // 2 % 2]
                one.send(hellos[n % 2])
                if n % 50 == 0:
                    await door.has_read()
            with pytest.raises(TimeoutError):
                await stranger.receive(timeout_s=0.05)

            await app.connect()

            await door.is_ready()
            assert door.mux.dropped == 1000
            stranger.send(app.protect(rtp(8, 1, 160, 7, SOUND)))
            app.send(app.protect(rtp(8, 2, 320, 7, SOUND)))
            assert [packet[3] for packet in await door.has_heard(1)] == [2]


async def test_a_check_with_a_wrong_password_opens_nothing():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        response = await app.check(pwd="x" * 32)
        app.send(app.client_hello())

        assert response.attributes["ERROR-CODE"] == (401, "Unauthenticated")
        with pytest.raises(TimeoutError):
            await app.receive(timeout_s=0.05)


async def test_a_certificate_other_than_announced_ends_the_leg():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer(fingerprint=":".join(["AB"] * 32)))

        await app.connect()

        assert await door.failure() is WebRtcFailure.WRONG_FINGERPRINT
        assert not door.ready.is_set()


async def test_a_replayed_packet_is_heard_once():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)
        first, second = (app.protect(rtp(8, n, n * 160, 7, SOUND)) for n in (1, 2))

        for packet in (first, first, second):
            app.send(packet)

        assert [packet[3] for packet in await door.has_heard(2)] == [1, 2]


async def test_media_from_an_unproven_source_is_not_heard():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)
        with app.new_socket() as stranger:
            app.send(app.protect(rtp(8, 1, 160, 7, SOUND)), stranger)
        app.send(app.protect(rtp(8, 2, 320, 7, SOUND)))

        assert [packet[3] for packet in await door.has_heard(1)] == [2]


async def test_a_handshake_completes_although_datagrams_are_lost_each_way():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer())
        await app.check()
        app.client_hello()  # lost on the way up

        async with asyncio.timeout(4):
            await app.handshake()

        await door.is_ready()


async def test_an_app_that_never_comes_is_told_as_no_network_path():
    async with Door(limits=WebRtcLimits(setup_s=0.05)) as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer())

        assert await door.failure() is WebRtcFailure.NO_PATH


async def test_an_app_that_checks_but_never_shakes_hands_is_told_as_encryption():
    async with Door(limits=WebRtcLimits(setup_s=0.05)) as door, BareApp(door.leg.offer()) as app:
        door.leg.accept_answer(app.answer())
        await app.check()

        assert await door.failure() is WebRtcFailure.DTLS_FAILED


async def test_an_app_that_stops_checking_is_told_as_connection_lost():
    limits = WebRtcLimits(consent_s=0.2)
    async with Door(limits=limits) as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)
        await asyncio.sleep(0.1)
        await app.check()
        await asyncio.sleep(0.15)
        was_ready_after_a_check = door.leg.is_ready

        assert await door.failure() is WebRtcFailure.CONNECTION_LOST
        assert was_ready_after_a_check


async def test_an_app_that_closes_is_told_at_once_and_once():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)

        app.end()
        app.end()

        assert await door.failure() is WebRtcFailure.CLOSED_BY_APP
        await door.has_read()
        assert door.failures == [WebRtcFailure.CLOSED_BY_APP]


async def test_closing_says_close_notify_and_forgets_the_app():
    async with Door() as door, BareApp(door.leg.offer()) as app:
        await connected(door, app)

        door.leg.close()
        door.leg.close()

        alert = await app.receive()
        app.send(bytes(app.request()))
        assert alert[0] == 21  # RFC 6347 §4.1: an alert, encrypted by now
        with pytest.raises(TimeoutError):
            await app.receive(timeout_s=0.05)
        assert not door.failures


def _garbage() -> st.SearchStrategy[bytes]:
    kinds = st.sampled_from([0, 1, 20, 21, 22, 23, 63, 128, 144, 191, 255])
    tails = st.binary(max_size=200)
    cookie = stun.COOKIE.to_bytes(4)
    checks = tails.map(lambda t: b"\x00\x01" + len(t).to_bytes(2) + cookie + bytes(12) + t)
    records = tails.map(lambda t: b"\x16\xfe\xfd" + bytes(8) + len(t).to_bytes(2) + t)
    loose = st.builds(lambda kind, tail: bytes([kind]) + tail, kinds, tails)
    return st.one_of(loose, checks, records)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(packets=st.lists(_garbage(), max_size=20))
def test_garbage_from_the_apps_own_address_never_stops_a_connected_leg(packets: list[bytes]):
    async def scenario() -> None:
        async with Door() as door, BareApp(door.leg.offer()) as app:
            await connected(door, app)

            for packet in packets:
                app.send(packet)
            app.send(app.protect(rtp(8, 1, 160, 7, SOUND)))

            assert len(await door.has_heard(1)) == 1
            assert not door.failures

    asyncio.run(scenario())


@settings(max_examples=60, deadline=None)
@given(packets=st.lists(_garbage(), max_size=20))
def test_garbage_during_the_handshake_never_raises(packets: list[bytes]):
    async def scenario() -> None:
        async with Door() as door, BareApp(door.leg.offer()) as app:
            asyncio.get_running_loop().set_exception_handler(_raise)
            await app.check()
            app.send(app.client_hello())
            for packet in packets:
                app.send(packet)
            await door.has_read()

    def _raise(_loop: object, context: dict) -> None:
        unhandled.append(context)

    unhandled: list[dict] = []
    asyncio.run(scenario())
    assert not unhandled

"""sipp's panels and phones use what SIP allows in a dialog; the door opens, and nothing is left."""

import re
from pathlib import Path

import pytest

from tests.interop.house import HOST, NUMBER, House
from tests.interop.script import (
    INVITED,
    SECOND_TAG,
    Script,
    confirm,
    from_panel,
    from_phone,
    hear,
    invite,
    of_invite,
    pause,
    perhaps,
    press_5,
    reply,
    reply_late,
    sdp,
    wait,
)
from tests.interop.stage import stage

pytestmark = [pytest.mark.interop, pytest.mark.timeout(60)]

ANSWERED = (hear(200, route="yes"), from_panel("ACK", 1))
HANGS_UP = (from_panel("BYE", 9), hear(200))
CALLS = (invite(), perhaps(100, 180, 183), *ANSWERED)
TALK_S = 5.0
"""The visitor stays until the phone has pressed its key, on a machine with other work too."""
PANEL = Script("panel", (*CALLS, pause(TALK_S), *HANGS_UP))
PATIENT_PANEL = Script("panel", (*CALLS, pause(TALK_S + 2.5), *HANGS_UP))
ANSWERS = (*INVITED, reply(180), pause(0.3), reply(200, body=sdp()), wait("ACK"), pause(1.0))
IS_LEFT = (wait("BYE"), confirm())
PHONE = Script("phone", (*ANSWERS, press_5(), *IS_LEFT))


async def rings_and_opens(folder: Path, panel: Script, phone: Script, **options) -> tuple[str, str]:
    """Play both; give what they heard."""
    async with stage(folder, phone, **options) as at:
        async with at.panel(panel) as caller:
            await at.opens_once()
            await at.content(caller)
            await at.content()
        await at.rests()
        return caller.messages(), at.phone.messages()


@pytest.mark.parametrize("is_held", [True, False], ids=["hold", "no change"])
async def test_a_phone_may_hold_and_take_up_again_before_it_opens(
    is_held: bool, tmp_path: Path
) -> None:
    first = sdp("sendonly", 2) if is_held else sdp()
    phone = Script(
        "phone",
        (
            *ANSWERS,
            from_phone("INVITE", 2, body=first),
            perhaps(100),
            hear(200),
            from_phone("ACK", 2),
            pause(0.5),
            from_phone("INVITE", 3, body=sdp("sendrecv", 3)),
            perhaps(100),
            hear(200),
            from_phone("ACK", 3),
            press_5(),
            *IS_LEFT,
        ),
    )

    _, heard = await rings_and_opens(tmp_path, PATIENT_PANEL, phone)

    answers = re.findall(r"^a=(sendrecv|recvonly|sendonly|inactive)\r?$", heard, re.MULTILINE)
    assert ("recvonly" in answers) is is_held


async def test_a_panel_may_hold_and_take_up_again(tmp_path: Path) -> None:
    panel = Script(
        "panel",
        (
            *CALLS,
            from_panel("INVITE", 2, body=sdp("sendonly", 2)),
            perhaps(100),
            hear(200),
            from_panel("ACK", 2),
            pause(0.7),
            from_panel("INVITE", 3, body=sdp("sendrecv", 3)),
            perhaps(100),
            hear(200),
            from_panel("ACK", 3),
            pause(TALK_S),
            *HANGS_UP,
        ),
    )

    heard, _ = await rings_and_opens(tmp_path, panel, PHONE)

    assert "a=recvonly" in heard


async def test_a_panel_that_requires_reliable_provisionals_gets_them(tmp_path: Path) -> None:
    rack = (
        '<action><ereg regexp="[0-9]+" search_in="hdr" header="RSeq:" assign_to="rseq"/></action>'
    )
    panel = Script(
        "panel",
        (
            invite(headers="Require: 100rel\nSupported: 100rel"),
            perhaps(100),
            hear(183, route="yes").replace("/>", f">{rack}</recv>"),
            from_panel("PRACK", 2, headers="RAck: [$rseq] 1 INVITE"),
            hear(200),
            hear(200, route="yes"),
            from_panel("ACK", 1),
            pause(TALK_S),
            *HANGS_UP,
        ),
    )

    heard, _ = await rings_and_opens(tmp_path, panel, PHONE)

    assert re.search(r"^Require:.*100rel", heard.partition("SIP/2.0 183")[2], re.MULTILINE)


async def test_a_phone_s_reliable_provisional_is_confirmed(tmp_path: Path) -> None:
    reliable = "Require: 100rel\nRSeq: 7001"
    phone = Script(
        "phone",
        (
            *INVITED,
            reply(183, body=sdp(), headers=reliable, is_repeated=True),
            wait("PRACK"),
            confirm(),
            pause(0.3),
            reply_late(200),
            wait("ACK"),
            pause(1.0),
            press_5(),
            *IS_LEFT,
        ),
    )

    _, heard = await rings_and_opens(tmp_path, PANEL, phone)

    assert "RAck: 7001 " in heard


async def test_a_session_interval_that_is_too_small_is_refused_and_a_longer_one_kept_alive(
    tmp_path: Path,
) -> None:
    timer = "Supported: timer\nSession-Expires: "
    panel = Script(
        "panel",
        (
            invite(headers=f"{timer}60"),
            perhaps(100),
            hear(422),
            of_invite("ACK", 1),
            invite(2, headers=f"{timer}90;refresher=uac\nMin-SE: 90"),
            perhaps(100, 180, 183),
            hear(200, route="yes"),
            from_panel("ACK", 2),
            from_panel("UPDATE", 3, headers=f"{timer}90;refresher=uac"),
            hear(200),
            from_panel("INVITE", 4, headers=f"{timer}90;refresher=uac", body=sdp()),
            perhaps(100),
            hear(200),
            from_panel("ACK", 4),
            pause(TALK_S),
            *HANGS_UP,
        ),
    )

    heard, _ = await rings_and_opens(tmp_path, panel, PHONE)

    assert "Min-SE: 90" in heard.partition("SIP/2.0 422")[2]
    assert heard.count("Session-Expires: 90;refresher=uac") >= 3 + 3


async def test_a_phone_that_wants_longer_sessions_is_called_again_and_refreshes_by_update(
    tmp_path: Path,
) -> None:
    phone = Script(
        "phone",
        (
            *INVITED,
            reply(422, headers="Min-SE: 300"),
            wait("ACK"),
            *INVITED,
            reply(180),
            reply(200, body=sdp(), headers="Require: timer\nSession-Expires: 300;refresher=uas"),
            wait("ACK"),
            pause(0.5),
            from_phone("UPDATE", 2, headers="Supported: timer\nSession-Expires: 300;refresher=uac"),
            hear(200),
            press_5(),
            *IS_LEFT,
        ),
    )

    _, heard = await rings_and_opens(tmp_path, PANEL, phone)

    assert "Min-SE: 300" in heard.partition("SIP/2.0 422")[2].partition("INVITE ")[2]


async def test_of_a_forked_call_the_answered_branch_talks_and_a_second_answer_is_hung_up(
    tmp_path: Path,
) -> None:
    phone = Script(
        "phone",
        (
            *INVITED,
            reply(183, tag=SECOND_TAG, body=sdp()),
            reply(180),
            pause(0.3),
            reply(200, body=sdp(), is_repeated=False),
            wait("ACK"),
            reply_late(200, tag=SECOND_TAG, body=sdp()),
            wait("ACK"),
            wait("BYE"),
            confirm(),
            pause(0.5),
            press_5(),
            *IS_LEFT,
        ),
    )

    _, heard = await rings_and_opens(tmp_path, PANEL, phone)

    first_bye = heard.partition("BYE sip:")[2].partition("-----")[0]
    assert re.search(r"^To: .*;tag=\S+b\r?$", first_bye, re.MULTILINE)


async def test_an_answer_that_comes_after_the_fail_over_is_hung_up(tmp_path: Path) -> None:
    """The first carrier says nothing for 4 s, then answers: the second one has the call by then."""
    late = Script(
        "late",
        (*INVITED, pause(4.6), reply_late(200, body=sdp()), wait("ACK"), wait("BYE"), confirm()),
    )
    async with stage(tmp_path, late, PHONE) as at:
        async with at.panel(PANEL) as panel:
            await at.opens_once()
            await at.content(panel)
            await at.content()
        await at.rests()


async def test_a_panel_s_cancel_that_crosses_the_answer_changes_nothing(tmp_path: Path) -> None:
    branch = "z9hG4bK-[pid]-crosses"
    panel = Script(
        "panel",
        (
            invite(branch=branch),
            perhaps(100, 180, 183),
            hear(200, route="yes"),
            of_invite("CANCEL", branch=branch),
            hear(200),
            from_panel("ACK", 1),
            pause(TALK_S),
            *HANGS_UP,
        ),
    )

    await rings_and_opens(tmp_path, panel, PHONE)


async def test_an_answer_without_ack_is_repeated_until_it_comes(tmp_path: Path) -> None:
    answered, *ack = ANSWERED
    panel = Script(
        "panel",
        (invite(), perhaps(100, 180, 183), answered, pause(2.0), *ack, pause(TALK_S), *HANGS_UP),
    )

    heard, _ = await rings_and_opens(tmp_path, panel, PHONE)

    assert len(re.findall(r"^CSeq: 1 INVITE\r?$", heard.partition("SIP/2.0 200")[2], re.M)) >= 3


async def test_a_panel_that_gives_up_by_itself_takes_the_phone_with_it(tmp_path: Path) -> None:
    branch = "z9hG4bK-[pid]-by-itself"
    panel = Script(
        "panel",
        (
            invite(branch=branch),
            perhaps(100),
            hear(183),
            pause(3.0),
            of_invite("CANCEL", branch=branch),
            perhaps(183),
            hear(200),
            hear(487),
            of_invite("ACK"),
        ),
    )
    async with stage(tmp_path, "phone_never_answers") as at:
        async with at.panel(panel) as caller:
            await at.content(caller)
            await at.content()
        await at.rests()

    assert at.door.openings == 0


async def test_a_panel_by_tcp_rings_a_phone_by_tcp_and_the_door_opens(tmp_path: Path) -> None:
    house = House(numbers=(NUMBER,), trunk_fields={"transport": "tcp"})
    async with stage(tmp_path, PHONE, house=house, is_tcp=True) as at:
        async with at.panel(PANEL, is_tcp=True) as panel:
            await at.opens_once()
            await at.content(panel)
            await at.content()
        await at.rests()

    assert "Via: SIP/2.0/TCP" in at.phone.messages()


@pytest.mark.parametrize("is_tcp", [True, False], ids=["carrier has TCP", "carrier has UDP alone"])
async def test_a_request_of_more_than_1300_bytes_arrives(is_tcp: bool, tmp_path: Path) -> None:
    """By TCP (RFC 3261 §18.1.1), and by UDP where nobody listens for TCP."""
    long = {f"X-Long-{n}": "x" * 190 for n in range(4)}
    house = House(numbers=(NUMBER,), trunk_fields={"headers": long, "transport": "udp"})
    async with stage(tmp_path, PHONE, house=house, is_tcp=is_tcp) as at:
        async with at.panel(PANEL) as panel:
            await at.opens_once()
            await at.content(panel)
            await at.content()
        await at.rests()

    assert f"Via: SIP/2.0/{'TCP' if is_tcp else 'UDP'} {HOST}" in at.phone.messages()


async def test_a_panel_s_request_of_1400_bytes_by_udp_rings(tmp_path: Path) -> None:
    panel = Script(
        "panel",
        (
            invite(headers="\n".join(f"X-Long-{n}: {'x' * 180}" for n in range(4))),
            perhaps(100, 180, 183),
            *ANSWERED,
            pause(TALK_S),
            *HANGS_UP,
        ),
    )

    await rings_and_opens(tmp_path, panel, PHONE)

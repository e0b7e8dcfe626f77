"""The names and words on a panel's screen: from the directory over the link into the firmware's memory."""

import asyncio
import json
import time
from dataclasses import replace

import pytest
from nacl.signing import SigningKey

from firmware_sim.screen_memory import FILE_NAME, ScreenMemory
from intercom.adapters.panel_link.screens import ScreenDesk, answer_words, state_words
from intercom.link.messages import ScreenAck, ScreenGet, ScreenPart, ScreenPut, encode
from intercom.link.screen import ScreenContent, ScreenEntry, ScreenManifest, digest_of, write_parts
from intercom.link.signing import sign
from intercom.routing.commands import EndReason, PanelState, ReadyAnswer
from intercom.routing.directory import Button, Directory, Doorbell
from intercom.routing.ids import DoorbellId
from tests.adapters.panel_rig import (
    CALL,
    DIRECTORY,
    HOUSE,
    MAIN,
    ROUTER_KEY,
    firmware,
    router,
    until,
)


def house(*names: str, group: str = "", language: str = "nb") -> Directory:
    """Make a house whose main panel has these names, their buttons numbered from 101."""
    bells = {
        DoorbellId(f"d{number}"): Doorbell(
            DoorbellId(f"d{number}"), HOUSE.property_id, name, (), group=group
        )
        for number, name in enumerate(names, start=101)
    }
    buttons = tuple(Button(bell.removeprefix("d"), bell) for bell in bells)
    return replace(
        DIRECTORY,
        properties={HOUSE.property_id: replace(HOUSE, language=language)},
        panels={**DIRECTORY.panels, MAIN: replace(DIRECTORY.panels[MAIN], buttons=buttons)},
        doorbells=bells,
    )


def names_of(content: ScreenContent) -> list[str]:
    return sorted(entry.name for entry in content.entries)


class InForce:
    """The directory, which a test changes."""

    def __init__(self, *names: str) -> None:
        self.directory = house(*names)

    def __call__(self) -> Directory:
        return self.directory


async def test_a_panel_that_connects_is_given_its_names_and_words(tmp_path):
    async with (
        router(directory=lambda: house("Berg", "Hansen")) as r,
        firmware(r.url, tmp_path) as p,
    ):
        await until(lambda: len(p.screens) == 1)

        assert p.screens[0].entries == (ScreenEntry("101", "Berg"), ScreenEntry("102", "Hansen"))
        assert p.screens[0].languages == ("nb", "en")
        assert p.screens[0].texts["nb"]["state.calling"] == "Ringer …"
        assert p.screens[0].place == "Storgata 14"
        await until(lambda: r.hub.panel_states()[0].screen.is_current)
        assert r.hub.panel_states()[0].screen.shown_rev == 1


async def test_a_change_is_on_a_live_panels_screen_and_only_what_changed_is_sent(tmp_path):
    names = [f"Name {number}" for number in range(1000)]
    in_force = InForce(*names)
    async with router(directory=in_force) as r, firmware(r.url, tmp_path) as p:
        await until(lambda: len(p.screens) == 1)
        sent = []
        screen = r.hub._screens[MAIN]
        screen._send = lambda message, send=screen._send: sent.append(message) or send(message)
        in_force.directory = house(*names[:-1], "Nydal")

        r.hub.directory_changed()
        await until(lambda: len(p.screens) == 2)

        assert names_of(p.screens[1]) == sorted([*names[:-1], "Nydal"])
        assert [type(message) for message in sent] == [ScreenPut, ScreenPart]


async def test_a_group_is_told_of_each_of_its_persons(tmp_path):
    directory = house("Kari", "Ola", group="Hansen")
    async with router(directory=lambda: directory) as r, firmware(r.url, tmp_path) as p:
        await until(lambda: len(p.screens) == 1)

        assert {(e.name, e.group) for e in p.screens[0].entries} == {
            ("Kari", "Hansen"),
            ("Ola", "Hansen"),
        }


async def test_what_changed_while_a_panel_was_offline_is_there_when_it_is_back(tmp_path):
    in_force = InForce("Berg")
    async with router(directory=in_force) as r, firmware(r.url, tmp_path) as p:
        await until(lambda: len(p.screens) == 1)
        await p.link.set_link_down(is_down=True)
        await r.until_online(is_online=False)
        in_force.directory = house("Berg", "Hansen")
        r.hub.directory_changed()

        await p.link.set_link_down(is_down=False)
        await until(lambda: len(p.screens) == 2)

        assert names_of(p.screens[1]) == ["Berg", "Hansen"]


async def test_a_panel_that_shows_the_right_names_is_sent_none_after_a_restart_of_both(tmp_path):
    async with router(directory=lambda: house("Berg")) as r, firmware(r.url, tmp_path) as p:
        await until(lambda: len(p.screens) == 1)

    async with router(directory=lambda: house("Berg")) as r, firmware(r.url, tmp_path) as p:
        await r.until_online()
        await asyncio.sleep(0.3)

        assert p.screens == []
        assert names_of(p.screen.content) == ["Berg"]
        assert r.hub.panel_states()[0].screen.is_current


async def test_the_revision_rises_over_a_restart_of_the_router(tmp_path):
    for rev, name in enumerate(["Berg", "Hansen", "Lie"], start=1):
        async with router(directory=lambda n=name: house(n)) as r, firmware(r.url, tmp_path) as p:
            await until(lambda p=p: len(p.screens) == 1)

            assert p.screen.rev == rev


async def test_another_propertys_change_sends_a_panel_nothing(tmp_path):
    in_force = InForce("Berg")
    async with router(directory=in_force) as r, firmware(r.url, tmp_path) as p:
        await until(lambda: len(p.screens) == 1)
        in_force.directory = replace(in_force.directory, residents={}, trunks=())

        r.hub.directory_changed()
        await asyncio.sleep(0.3)

        assert len(p.screens) == 1
        assert p.screen.rev == 1


async def test_changes_in_quick_succession_end_in_the_last_one(tmp_path):
    in_force = InForce("Berg")
    async with router(directory=in_force) as r, firmware(r.url, tmp_path) as p:
        for number in range(30):
            in_force.directory = house("Berg", f"Ny {number}")
            r.hub.directory_changed()
            await asyncio.sleep(0.01)

        await until(lambda: p.screens and names_of(p.screens[-1]) == ["Berg", "Ny 29"])

        assert len(p.screens) < 10


async def test_five_thousand_names_come_whole_in_messages_that_no_panel_is_too_small_for(tmp_path):
    names = [f"Øvre Bøgård-Nordmann {number} 🏠" for number in range(5000)]
    in_force = InForce(*names)
    async with router(directory=in_force) as r, firmware(r.url, tmp_path) as p:
        await until(lambda: len(p.screens) == 1)

        assert names_of(p.screens[0]) == sorted(names)


async def test_a_door_is_opened_while_thousands_of_names_are_under_way(tmp_path):
    in_force = InForce(*(f"Name {number}" for number in range(5000)))
    async with router(directory=in_force) as r, firmware(r.url, tmp_path) as p:
        await r.until_online()
        p.link.faults.relay_silent = False
        began_at = asyncio.get_running_loop().time()

        result = await r.pulse("c-1")

        assert result.on_ms == 0
        assert asyncio.get_running_loop().time() - began_at < 1.0
        assert p.screens == [] or len(p.screens) == 1


async def test_writing_thousands_of_names_keeps_nobody_waiting():
    directory = house(*(f"Nordmann {number}" for number in range(5000)))
    longest_s = 0.0
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(ScreenDesk(lambda: directory).screen_of(MAIN))
        while not writing.done():
            before = time.thread_time()  # what others do meanwhile does not count
            await asyncio.sleep(0)
            longest_s = max(longest_s, time.thread_time() - before)

    assert longest_s < 0.05  # measured: 2 ms


async def test_the_screen_shows_the_state_in_the_propertys_language(tmp_path):
    async with router() as r, firmware(r.url, tmp_path) as panel:
        await r.until_online()

        r.hub.show(MAIN, CALL, PanelState.CALLING, None)
        r.hub.show(MAIN, CALL, PanelState.ENDED, EndReason.NOBODY_ANSWERED)
        await panel.until_shown(2)

        assert [state.text for state in panel.shown] == ["Ringer …", "Ingen svarer"]
        assert panel.shown[1].reason == "nobody answered"


async def test_a_panel_that_came_back_shows_the_running_call_again(tmp_path):
    async with router() as r:
        r.hub.show(MAIN, CALL, PanelState.TALKING, None)

        async with firmware(r.url, tmp_path) as panel:
            await panel.until_shown(1)

        assert panel.shown[0].state == "talking"


@pytest.mark.parametrize("language", ["nb", "nn", "en", "sv"])
def test_every_state_reason_and_ready_answer_has_words(language):
    for state in PanelState:
        assert state_words(state, None, language)
    for reason in EndReason:
        assert state_words(PanelState.ENDED, reason, language)
    for answer in ReadyAnswer:
        assert answer_words(answer, language)


async def test_a_ready_answer_is_shown_in_the_propertys_language_and_again_after_a_reconnection(
    tmp_path,
):
    async with router(directory=lambda: house("Berg", language="sv")) as r:
        async with firmware(r.url, tmp_path) as p:
            await r.until_online()
            r.hub.show(MAIN, CALL, PanelState.CALLING, None)

            r.hub.show_message(MAIN, CALL, ReadyAnswer.COMING)
            await until(lambda: len(p.answers) == 1)

            assert (p.answers[0].answer, p.answers[0].text) == ("coming", "Jag kommer")
        async with firmware(r.url, tmp_path) as p:
            await until(lambda: len(p.answers) == 1)
        r.hub.show(MAIN, CALL, PanelState.ENDED, EndReason.DECLINED)
        async with firmware(r.url, tmp_path) as p:
            await r.until_online()
            await asyncio.sleep(0.1)

            assert p.answers == []


async def test_coming_and_going_is_told_once_each_with_how_long_it_has_been_so(tmp_path):
    told = []
    async with router() as r:
        r.hub.on_state = lambda panel_id, is_online: told.append((panel_id, is_online))
        async with firmware(r.url, tmp_path):
            await r.until_online()
        await until(lambda: len(told) == 2)

        assert told == [(MAIN, True), (MAIN, False)]
        assert 0 <= r.hub.panel_states()[0].since_s < 1


def put(rev: int = 1, *, key: SigningKey = ROUTER_KEY, panel: str = MAIN, name: str = "Berg"):
    """Sign a screen of one name; gives what is put, and its parts."""
    parts = write_parts(ScreenContent(entries=(ScreenEntry("101", name),)))
    manifest = ScreenManifest(1, panel, rev, tuple(map(digest_of, parts)))
    return ScreenPut(manifest, sign(manifest, key)), parts


def memory(tmp_path) -> tuple[ScreenMemory, list[ScreenContent]]:
    shown: list[ScreenContent] = []
    kept = ScreenMemory(
        tmp_path, panel_id=MAIN, router_key=ROUTER_KEY.verify_key, on_content=shown.append
    )
    return kept, shown


def give(kept: ScreenMemory, rev: int, name: str = "Berg") -> list:
    offered, parts = put(rev, name=name)
    replies = kept.offer(offered)
    for part in parts:
        replies = kept.take(ScreenPart(part)) or replies
    return replies


@pytest.mark.parametrize(
    "changed",
    [{"key": SigningKey(bytes(32))}, {"panel": "another"}],
    ids=["a stranger's key", "another panel's"],
)
def test_a_screen_that_its_router_did_not_sign_for_this_panel_is_refused(tmp_path, changed):
    kept, shown = memory(tmp_path)

    [reply] = kept.offer(put(**changed)[0])

    assert isinstance(reply, ScreenAck)
    assert reply.cause
    assert shown == []


def test_an_old_screen_cannot_be_played_back(tmp_path):
    kept, shown = memory(tmp_path)
    give(kept, 2, "Hansen")

    replies = give(kept, 1, "Berg")

    assert "old" in replies[0].cause
    assert [names_of(content) for content in shown] == [["Hansen"]]


def test_a_part_that_was_not_signed_for_is_not_shown(tmp_path):
    kept, shown = memory(tmp_path)
    offered, parts = put()

    assert kept.offer(offered) == [ScreenGet(offered.cfg.parts)]
    assert kept.take(ScreenPart(parts[0])) == []
    assert kept.take(ScreenPart(parts[1].replace("Berg", "Lurt"))) == []
    assert shown == []


def test_a_screen_is_shown_whole_or_not_at_all(tmp_path):
    kept, shown = memory(tmp_path)
    give(kept, 1, "Berg")
    offered, _ = put(2, name="Hansen")

    kept.offer(offered)
    kept.end_session()

    assert names_of(kept.content) == ["Berg"]
    assert len(shown) == 1
    assert memory(tmp_path)[0].rev == 1


@pytest.mark.parametrize(
    "damage", ["", "{", "{}", '{"cfg": 1}', '{"cfg": {}, "sig": "", "parts": []}']
)
def test_a_damaged_memory_of_the_screen_is_an_empty_one(tmp_path, damage):
    give(memory(tmp_path)[0], 1)
    (tmp_path / FILE_NAME).write_text(damage)

    assert memory(tmp_path)[0].content is None


def test_a_memory_that_was_tampered_with_is_not_shown(tmp_path):
    give(memory(tmp_path)[0], 1)
    path = tmp_path / FILE_NAME
    stored = json.loads(path.read_text())
    stored["parts"] = {key: text.replace("Berg", "Lurt") for key, text in stored["parts"].items()}
    path.write_text(json.dumps(stored))

    assert memory(tmp_path)[0].content is None


def test_the_largest_part_fits_into_a_message():
    entries = tuple(ScreenEntry(str(n), '"\\🏠' * 30, '"\\🏠' * 30) for n in range(100))

    for part in write_parts(ScreenContent(entries=entries)):
        assert len(encode(ScreenPart(part)).encode()) < 65_536

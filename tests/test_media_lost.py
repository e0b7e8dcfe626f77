"""Media that stops: after 3 s the apps and the trace are told, after 30 s the call ends."""

import pytest

from intercom.media.leg import Media
from intercom.media.path import PathCause
from intercom.routing.commands import EndReason
from intercom.routing.ids import LegId
from intercom.trace import Hop
from tests.test_active_call import LEG, open_call


@pytest.mark.parametrize(("leg", "whom"), [(LEG, "the panel"), (LegId("leg-0"), "the resident")])
async def test_a_silent_leg_ends_the_call_and_is_named_in_the_trace(leg, whom):
    async with open_call() as rig:
        rig.begin()

        rig.bridge.supervision.on_silence(leg)

        assert rig.active.is_closed
        assert rig.world.panels.ended == {LEG: EndReason.MEDIA_LOST}
        steps = rig.trace.calls()[0].steps
        (step,) = [each for each in steps if each.hop is Hop.FAILED]
        assert step.text == f"nothing came from {whom} for 30 s"
        assert step.facts["leg"] == leg
        assert steps[-1].text == EndReason.MEDIA_LOST.value


async def test_what_stops_coming_from_the_panel_is_told_to_every_leg_and_so_is_its_return():
    async with open_call() as rig:
        rig.begin()
        rung = [leg for what, leg, _ in rig.world.apps.told if what == "ring"]

        for is_lost in (True, False):
            rig.bridge.supervision.on_path(LEG, Media.AUDIO, is_lost)

        told = [(leg, facts) for what, leg, facts in rig.world.apps.told if what == "tell_path"]
        assert rung
        assert told == [
            (leg, (Media.AUDIO, is_lost, False)) for is_lost in (True, False) for leg in rung
        ]


async def test_what_stops_coming_from_a_resident_is_told_to_that_one_as_its_own():
    async with open_call() as rig:
        rig.begin()
        leg = next(leg for what, leg, _ in rig.world.apps.told if what == "ring")

        rig.bridge.supervision.on_path(leg, Media.AUDIO, True)

        told = [(leg, facts) for what, leg, facts in rig.world.apps.told if what == "tell_path"]
        assert told == [(leg, (Media.AUDIO, True, True))]


@pytest.mark.parametrize(("leg", "whom"), [(LEG, "the panel"), (LegId("leg-0"), "the resident")])
async def test_the_likely_cause_stands_whole_in_the_calls_trace(leg, whom):
    async with open_call() as rig:
        rig.begin()
        longest = max((cause.value for cause in PathCause), key=len)

        rig.bridge.supervision.on_path_words(leg, f"no picture for 3 s: {longest}")

        step = rig.trace.calls()[0].steps[-1]
        assert step.hop is Hop.PATH
        assert step.text == f"{whom}: no picture for 3 s: {longest}"
        assert step.facts["leg"] == leg

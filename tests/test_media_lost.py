"""30 s without media end a call: every leg hears why, and the trace says who fell silent."""

import pytest

from intercom.routing.commands import EndReason
from intercom.routing.ids import LegId
from intercom.trace import Hop
from tests.test_active_call import LEG, open_call


@pytest.mark.parametrize(("leg", "whom"), [(LEG, "the panel"), (LegId("leg-0"), "the resident")])
async def test_a_silent_leg_ends_the_call_and_is_named_in_the_trace(leg, whom):
    async with open_call() as rig:
        rig.begin()

        rig.bridge.on_silence(leg)

        assert rig.active.is_closed
        assert rig.world.panels.ended == {LEG: EndReason.MEDIA_LOST}
        steps = rig.trace.calls()[0].steps
        (step,) = [each for each in steps if each.hop is Hop.FAILED]
        assert step.text == f"nothing came from {whom} for 30 s"
        assert step.facts["leg"] == leg
        assert steps[-1].text == EndReason.MEDIA_LOST.value

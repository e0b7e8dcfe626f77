"""How each hop is broken on purpose: a real fault at the place that the hop is named after."""

from dataclasses import dataclass, replace

from intercom.demo.hops import Hop
from intercom.demo.stage import CALLER_ID, Plan

OTHER_CALLER_ID = "+4721000000"
WRONG = "not-the-password"


@dataclass(frozen=True, slots=True)
class Break:
    """What is wrong in one performance."""

    hop: Hop | None = None

    def plan(self, plan: Plan) -> Plan:
        """Build the fault into the stage."""
        match self.hop:
            case Hop.TRYING:
                return replace(plan, panel_sip_port=9)
            case Hop.RING:
                return replace(plan, resident_password=WRONG)
            case Hop.TRUNK:
                return replace(plan, trunk_password=WRONG)
            case Hop.CALLER_ID:
                return replace(
                    plan,
                    caller_id=OTHER_CALLER_ID,
                    allowed_caller_ids=(CALLER_ID, OTHER_CALLER_ID),
                )
            case Hop.PHONE_RING:
                return replace(plan, has_phone=False)
            case _:
                return plan

    def button(self) -> str:
        """Say which button the visitor presses in call 1."""
        return "9" if self.hop is Hop.PROGRESS else "1"

    def is_at(self, hop: Hop) -> bool:
        """Tell whether this hop is the broken one."""
        return self.hop is hop

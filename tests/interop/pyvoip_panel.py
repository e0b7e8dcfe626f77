"""A panel by pyVoIP 1.6.8, for a process of its own: `python -m tests.interop.pyvoip_panel HOST PORT USER PASSWORD BUTTON`.

pyVoIP is under GPLv3, so nothing but this process and the simulated phone's loads it. As a caller it is a
bad one: its ACK for 200 has a To tag of its own invention, so that it belongs to no dialog. It prints a
line of JSON for each state of its call and ends when the call does, or after its limit.
"""

import json
import sys
import time

from pyVoIP.VoIP import CallState, VoIPPhone  # isort: split

from firmware_sim.phone_line import free_port

LIMIT_S = 45.0
POLL_S = 0.05
REGISTER_ANSWER_S = 2


def main(host: str, port: str, user: str, password: str, button: str) -> None:
    """Register, press the button, and tell."""
    phone = VoIPPhone(host, int(port), user, password, myIP=host, sipPort=free_port(host))
    phone.sip.register_timeout = REGISTER_ANSWER_S
    phone.start()
    _tell("registered")
    began = time.monotonic()
    phone.sip.s.settimeout(REGISTER_ANSWER_S)  # it left the socket so that the next read would fail
    call = phone.call(button)
    phone.sip.s.setblocking(False)
    state = None
    while state is not CallState.ENDED and time.monotonic() - began < LIMIT_S:
        if call.state is not state:
            state = call.state
            _tell(state.value, time.monotonic() - began)
        time.sleep(POLL_S)
    phone.stop()


def _tell(state: str, at_s: float = 0.0) -> None:
    sys.stdout.write(json.dumps({"state": state, "at_s": round(at_s, 2)}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

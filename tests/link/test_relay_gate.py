"""The firmware's judgement of a door command, with numbers as time."""

from dataclasses import replace

import pytest
from nacl.signing import SigningKey

from intercom.link.messages import RelayAck, RelayCommand, RelayOpen
from intercom.link.relay_gate import (
    KEPT_ACKS,
    Acknowledge,
    Energise,
    GateMemory,
    Persist,
    Refusal,
    RelayGate,
)
from intercom.link.signing import sign

ROUTER = SigningKey(bytes(range(32)))
STRANGER = SigningKey(bytes(32))
NOW_MS = 60_000
COMMAND = RelayCommand(
    v=1,
    panel="main",
    relay=1,
    ms=3000,
    cmd_id="c-1",
    ctr=8,
    chal="nonce",
    exp=NOW_MS + 3000,
    call_id="call-1",
)


STORED = GateMemory(ctr=7)


def gate(memory: GateMemory = STORED, chal: str | None = "nonce") -> RelayGate:
    made = RelayGate(
        panel_id="main",
        router_key=ROUTER.verify_key,
        relays=frozenset({1, 2}),
        memory=memory,
    )
    if chal is not None:
        made.start_session(chal)
    return made


def signed(command: RelayCommand, key: SigningKey = ROUTER) -> RelayOpen:
    return RelayOpen(command, sign(command, key))


def test_a_good_command_is_made_durable_before_the_coil_is_energised_and_then_acknowledged():
    intents = gate().receive(signed(COMMAND), NOW_MS)

    ack = RelayAck("c-1", accepted=True, cause="")
    assert intents == [
        Persist(GateMemory(ctr=8, acks=(ack,))),
        Energise(relay=1, ms=3000, cmd_id="c-1"),
        Acknowledge(ack),
    ]


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (replace(COMMAND, v=2), Refusal.VERSION),
        (replace(COMMAND, panel="garage"), Refusal.PANEL),
        (replace(COMMAND, chal="another nonce"), Refusal.SESSION),
        (replace(COMMAND, ctr=7), Refusal.COUNTER),
        (replace(COMMAND, ctr=6), Refusal.COUNTER),
        (replace(COMMAND, exp=NOW_MS), Refusal.EXPIRED),
        (replace(COMMAND, exp=NOW_MS + 5001), Refusal.LIFE),
        (replace(COMMAND, ms=10_001), Refusal.PULSE),
        (replace(COMMAND, ms=0), Refusal.PULSE),
        (replace(COMMAND, relay=3), Refusal.RELAY),
    ],
)
def test_a_command_that_breaks_a_rule_never_energises_and_says_which(command, refusal):
    intents = gate().receive(signed(command), NOW_MS)

    assert intents == [Acknowledge(RelayAck("c-1", accepted=False, cause=refusal.value))]


def test_the_limits_themselves_are_allowed():
    at_the_limits = replace(COMMAND, ms=10_000, exp=NOW_MS + 5000)

    intents = gate().receive(signed(at_the_limits), NOW_MS)

    assert Energise(relay=1, ms=10_000, cmd_id="c-1") in intents


def test_a_command_signed_by_another_key_is_refused():
    [intent] = gate().receive(signed(COMMAND, STRANGER), NOW_MS)

    assert intent.ack.cause == Refusal.SIGNATURE.value


@pytest.mark.parametrize(
    "changed",
    [
        replace(COMMAND, relay=2),
        replace(COMMAND, ms=9000),
        replace(COMMAND, ctr=9),
        replace(COMMAND, exp=NOW_MS + 3001),
        replace(COMMAND, cmd_id="c-2"),
        replace(COMMAND, call_id=None),
    ],
)
def test_a_command_changed_on_its_way_is_refused(changed):
    signature = signed(COMMAND).sig

    [intent] = gate().receive(RelayOpen(changed, signature), NOW_MS)

    assert intent.ack.cause == Refusal.SIGNATURE.value


def test_a_repeated_command_gets_the_stored_acknowledgement_and_no_pulse():
    panel = gate()
    panel.receive(signed(COMMAND), NOW_MS)

    intents = panel.receive(signed(COMMAND), NOW_MS + 1)

    assert intents == [Acknowledge(RelayAck("c-1", accepted=True, cause=""), is_repeated=True)]


def test_the_same_command_id_with_a_new_counter_and_session_does_not_pulse_again():
    panel = gate()
    panel.receive(signed(COMMAND), NOW_MS)
    panel.start_session("second nonce")

    [intent] = panel.receive(signed(replace(COMMAND, ctr=9, chal="second nonce")), NOW_MS + 1)

    assert intent.is_repeated


def test_a_stranger_cannot_learn_whether_a_command_id_was_used():
    panel = gate()
    panel.receive(signed(COMMAND), NOW_MS)

    [intent] = panel.receive(signed(COMMAND, STRANGER), NOW_MS)

    assert intent.ack.cause == Refusal.SIGNATURE.value


def test_after_a_restart_a_replayed_command_only_repeats_its_answer():
    before = gate()
    persist, *_ = before.receive(signed(COMMAND), NOW_MS)

    after = gate(persist.memory, chal="nonce of the next boot")

    [intent] = after.receive(signed(COMMAND), 10)
    assert intent.is_repeated


def test_after_a_restart_a_replayed_command_whose_answer_is_forgotten_is_refused():
    after = gate(GateMemory(ctr=8), chal="nonce of the next boot")

    [intent] = after.receive(signed(COMMAND), 10)

    assert intent.ack.cause == Refusal.SESSION.value


def test_no_command_is_accepted_before_the_session_has_begun_or_after_it_has_ended():
    before = gate(chal=None)
    after = gate()
    after.end_session()

    for panel in (before, after):
        [intent] = panel.receive(signed(COMMAND), NOW_MS)
        assert intent.ack.cause == Refusal.SESSION.value


def test_a_refused_command_uses_up_no_counter():
    panel = gate()
    panel.receive(signed(replace(COMMAND, ms=99_999)), NOW_MS)

    intents = panel.receive(signed(COMMAND), NOW_MS)

    assert any(isinstance(intent, Energise) for intent in intents)


def test_the_memory_keeps_the_last_acknowledgements_alone():
    panel = gate()
    for n in range(KEPT_ACKS + 1):
        panel.receive(signed(replace(COMMAND, cmd_id=f"c-{n}", ctr=8 + n)), NOW_MS)

    [intent] = panel.receive(signed(replace(COMMAND, cmd_id="c-0")), NOW_MS)

    assert intent.ack.cause == Refusal.COUNTER.value

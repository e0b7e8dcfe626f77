"""The memory ring of calls' steps."""

from intercom.trace import MAX_STEPS, MAX_SUBSCRIBERS, MAX_TEXT, Hop, Trace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_steps_of_a_call_are_kept_in_order_with_milliseconds_since_its_start():
    clock = Clock()
    trace = Trace(clock)

    trace.step("c1", Hop.PRESS, "Main entrance", button="2")
    clock.now += 0.0123
    trace.step("c1", Hop.APP_RING)

    (call,) = trace.calls()
    assert [(s.hop, s.since_start_ms) for s in call.steps] == [(Hop.PRESS, 0), (Hop.APP_RING, 12)]
    assert call.steps[0].facts == {"button": "2"}


def test_a_call_is_forgotten_15_minutes_after_its_start():
    clock = Clock()
    trace = Trace(clock)
    trace.step("c1", Hop.PRESS)

    assert [call.call_id for call in trace.calls(100.0 + 899.9)] == ["c1"]
    assert trace.calls(100.0 + 900.0) == []


def test_forgetting_does_not_wait_for_the_next_call():
    clock = Clock()
    trace = Trace(clock)
    trace.step("c1", Hop.PRESS)

    trace.forget_old(clock.now + 900)

    assert trace.calls(clock.now) == []


def test_the_newest_call_pushes_out_the_oldest():
    trace = Trace(Clock(), max_calls=2)

    for call_id in ("c1", "c2", "c3"):
        trace.step(call_id, Hop.PRESS)

    assert [call.call_id for call in trace.calls()] == ["c2", "c3"]


def test_a_call_with_endless_steps_keeps_the_first_ones_and_counts_the_rest():
    trace = Trace(Clock())

    for _ in range(MAX_STEPS + 5):
        trace.step("c1", Hop.KEY)

    (call,) = trace.calls()
    assert (len(call.steps), call.dropped) == (MAX_STEPS, 5)


def test_long_texts_and_facts_are_cut():
    trace = Trace(Clock())

    trace.step("c1", Hop.FAULT, "x" * 1000, cause="y" * 1000)

    (call,) = trace.calls()
    assert len(call.steps[0].text) == MAX_TEXT
    assert len(str(call.steps[0].facts["cause"])) == MAX_TEXT


def test_a_listener_hears_each_step_until_it_leaves():
    trace = Trace(Clock())
    heard = []

    leave = trace.subscribe(heard.append)
    trace.step("c1", Hop.PRESS)
    leave()
    trace.step("c1", Hop.ANSWER)

    assert [step.hop for step in heard] == [Hop.PRESS]


def test_listeners_are_bounded():
    trace = Trace(Clock())
    heard = []

    for _ in range(MAX_SUBSCRIBERS + 3):
        trace.subscribe(heard.append)
    trace.step("c1", Hop.PRESS)

    assert len(heard) == MAX_SUBSCRIBERS


def test_what_calls_returns_does_not_change_afterwards():
    trace = Trace(Clock())
    trace.step("c1", Hop.PRESS)

    (before,) = trace.calls()
    trace.step("c1", Hop.ANSWER)

    assert len(before.steps) == 1

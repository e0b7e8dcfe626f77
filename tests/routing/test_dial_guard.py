"""The limits against toll fraud."""

from intercom.routing.dial_guard import DialGuard, DialLimits, DialRefusal
from intercom.routing.ids import LegId, PanelId

PANEL, OTHER = PanelId("main"), PanelId("garage")


def place(guard, count, *, panel=PANEL, now=0.0, first=0, is_ended=True):
    """Place calls to numbers of their own; give what the guard said to the last one."""
    refusal = None
    for number in range(first, first + count):
        refusal = guard.start(LegId(f"{panel}{number}"), panel, f"+4790{number:06}", now)
        if is_ended:
            guard.end(LegId(f"{panel}{number}"))
    return refusal


def test_a_fifth_call_at_once_of_one_panel_is_refused_until_one_ends():
    guard = DialGuard(DialLimits())

    assert place(guard, 4, is_ended=False) is None
    assert place(guard, 1, first=4) is DialRefusal.AT_ONCE
    guard.end(LegId("main0"))
    assert place(guard, 1, first=4) is None


def test_another_panel_is_not_limited_by_the_first():
    guard = DialGuard(DialLimits())
    place(guard, 4, is_ended=False)

    assert place(guard, 4, panel=OTHER, first=10, is_ended=False) is None


def test_a_courier_who_rings_15_flats_in_10_minutes_passes():
    assert place(DialGuard(DialLimits()), 15) is None


def test_the_31st_call_of_a_panel_in_10_minutes_is_refused():
    guard = DialGuard(DialLimits())

    assert place(guard, 30) is None
    assert place(guard, 1, first=30, now=599.9) is DialRefusal.PANEL
    assert place(guard, 1, first=30, now=600.0) is None


def test_the_fourth_call_to_one_number_in_10_minutes_is_refused_whichever_panel_it_is_from():
    guard = DialGuard(DialLimits())
    for panel in (PANEL, OTHER, PANEL):
        assert guard.start(LegId("l"), panel, "+4790012345", 0.0) is None

    assert guard.start(LegId("l"), OTHER, "+4790012345", 1.0) is DialRefusal.NUMBER


def test_the_whole_day_has_a_cap():
    guard = DialGuard(DialLimits(per_day=2))
    place(guard, 2)

    assert place(guard, 1, first=2, now=86_399.0) is DialRefusal.DAY
    assert place(guard, 1, first=2, now=86_400.0) is None


def test_what_was_refused_is_not_counted():
    guard = DialGuard(DialLimits(per_number_10min=1))
    guard.start(LegId("a"), PANEL, "+4790012345", 0.0)
    for _ in range(100):
        guard.start(LegId("b"), PANEL, "+4790012345", 1.0)

    assert guard.start(LegId("c"), PANEL, "+4790012345", 600.0) is None


def test_a_refusal_s_words_name_nobody():
    assert all("+" not in refusal.value for refusal in DialRefusal)

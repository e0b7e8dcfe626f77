import asyncio

from intercom.check_calls import AT_ONCE, CheckCalls
from intercom.routing import events as ev
from intercom.routing.number_check import CheckResult
from tests.fakes import HOUSE, make_house

NUMBER = "+4790000009"
PROPERTY = make_house().properties[HOUSE]


class Phones:
    """The phones' legs, which only note what they are told."""

    def __init__(self):
        self.placed = []
        self.ended = []

    def place(self, call, leg_id, target):
        self.placed.append((leg_id, target.number, call))

    def end(self, leg_id, reason):
        self.ended.append(leg_id)


def make():
    numbers = iter(range(1000))
    calls, phones = CheckCalls(token=lambda length: f"{next(numbers):0{length}}"), Phones()
    calls.start(phones)
    return calls, phones


async def placed(phones, count=1):
    while len(phones.placed) < count:  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
    return phones.placed[-1][0]


async def test_a_key_confirms_and_the_call_is_ended():
    calls, phones = make()
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(calls.check(NUMBER, PROPERTY))
        leg = await placed(phones)
        assert calls.post(leg, ev.LegAnswered(leg))
        assert calls.post(leg, ev.DigitPressed(leg, "5"))
        assert calls.post(leg, ev.LegEnded(leg))

    assert asked.result() is CheckResult.CONFIRMED
    assert phones.ended == [leg]
    assert phones.placed[0][1] == NUMBER


async def test_events_of_other_legs_are_left_to_others():
    calls, _ = make()

    assert not calls.post("leg-1", ev.LegAnswered("leg-1"))
    assert calls.post("check-gone", ev.LegEnded("check-gone"))


async def test_more_check_calls_than_a_few_at_once_are_put_off():
    calls, phones = make()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(calls.check(NUMBER, PROPERTY))
        await placed(phones, AT_ONCE)

        assert await calls.check(NUMBER, PROPERTY) is CheckResult.LIMITED
        for leg, *_ in phones.placed:
            calls.post(leg, ev.LegFailed(leg, ev.LegFailure.BUSY))
    assert len(phones.ended) == AT_ONCE


async def test_who_gives_up_waiting_hangs_up_the_phone():
    calls, phones = make()
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(calls.check(NUMBER, PROPERTY))
        leg = await placed(phones)
        asked.cancel()

    assert phones.ended == [leg]
    assert calls.post(leg, ev.LegAnswered(leg))  # still ours, and heard by nobody

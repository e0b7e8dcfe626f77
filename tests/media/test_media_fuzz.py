"""Packets from outside: the ports, the demultiplexer and every reader behind them never raise."""

from random import Random

from tests.fuzz.media_target import MediaTarget

ROUNDS = 3_000


def mutated(chance: Random, seeds: list[bytes]) -> bytes:
    """Change, cut or lengthen a real packet; now and then make one up."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(300))
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randrange(4)):
        if data:
            data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.random() < 0.3:
        del data[chance.randrange(len(data) + 1) :]
    return bytes(data) + chance.randbytes(chance.choice((0, 0, 0, 1, 40)))


async def test_no_packet_of_any_kind_raises_behind_any_port():
    target, chance = MediaTarget(), Random(5)
    seeds = target.seeds()
    for seed in seeds:
        target.feed(seed)
    assert target.digits == 1  # so far do the ports' packets reach
    assert target.has_heard_checks

    for _ in range(ROUNDS):
        target.feed(mutated(chance, seeds))

    assert target.digits > 1
    target.close()

"""The ports that tests and demonstrations take: nobody else on the machine is given them."""

import socket
import subprocess
import sys

import pytest

from intercom.demo.ports import BLOCK_PORTS, PortBlock
from intercom.demo.processes import HOST, DemoError

HOLD = "from intercom.demo.ports import PortBlock; print(PortBlock().first, flush=True); input()"


def test_two_blocks_share_no_port():
    with PortBlock() as one, PortBlock() as other:
        assert abs(one.first - other.first) >= BLOCK_PORTS


def test_a_block_is_its_own_in_other_processes_too_until_that_process_is_killed():
    command = [sys.executable, "-c", HOLD]
    with (
        PortBlock() as ours,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other,
    ):
        theirs = int(other.stdout.readline())
        names = {ours.first, theirs}
        other.kill()
        other.wait()
    with PortBlock() as again:
        assert len(names) == 2
        assert again.first in names


def test_what_was_taken_is_given_again_only_when_all_the_others_had_their_turn():
    with PortBlock() as block:
        taken = [block.take(4) for _ in range(BLOCK_PORTS // 4)]

        assert len(set(taken)) == len(taken)
        assert block.take(4) == taken[0]


def test_no_port_lies_within_a_range_that_was_taken_for_sound():
    with PortBlock() as block:
        sound = block.take(200)
        others = [block.take() for _ in range(100)]

    assert sound % 2 == 0
    assert not set(others) & set(range(sound, sound + 200))


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["UDP", "TCP"])
def test_a_port_that_a_stranger_has_bound_is_passed_over(kind: socket.SocketKind):
    with PortBlock() as block, socket.socket(socket.AF_INET, kind) as stranger:
        stranger.bind((HOST, block.first + 3))

        assert block.take(2) == block.first
        assert block.take(2) == block.first + 4


def test_more_than_a_block_has_is_refused_in_words():
    with PortBlock() as block, pytest.raises(DemoError, match="in a row are not free"):
        block.take(BLOCK_PORTS + 2)

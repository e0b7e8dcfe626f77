"""Random tokens that are drawn ahead."""

from intercom.app.sip_side import TOKENS_AHEAD, Tokens


def test_tokens_have_the_length_that_was_asked_for_and_none_comes_twice():
    token = Tokens()
    found = [token(16) for _ in range(2 * TOKENS_AHEAD // 16)]

    assert all(len(each) == 16 and int(each, 16) >= 0 for each in found)
    assert len(set(found)) == len(found)


def test_a_token_longer_than_what_is_drawn_ahead_is_whole():
    token = Tokens()
    token(7)

    assert len(token(3 * TOKENS_AHEAD + 1)) == 3 * TOKENS_AHEAD + 1
    assert token(0) == ""

"""A clock in the picture that a program can read: 40 black or white squares in the bottom rows.

    square     0 1 2 3          4 … 35                      36 … 39
    means      white black      milliseconds, 32 bits,      check: the exclusive or of the
               white black      most significant first      eight 4-bit groups, and of 5

The squares are 16 x 16 pixels of a 640 x 480 picture (whole macroblocks of H.264) and fill its last
16 rows; in a scaled picture they are as many parts of its size. White is 1. The time is
CLOCK_MONOTONIC of the machine, modulo 2^32 ms. To read a square, average the middle half of it;
the threshold lies half-way between the white and the black of squares 0 to 3.
"""

SQUARES = 40
BITS = 32
ROWS = 30
"""The bar is one 30th of the picture's height."""
BLACK_Y = 16
WHITE_Y = 235
LEAST_CONTRAST = 64
_MARKERS = (1, 0, 1, 0)
_CHECK_SEED = 5


def squares_of(clock_ms: int) -> tuple[int, ...]:
    """Give the 40 squares for a time, 1 for white."""
    value = clock_ms % 2**BITS
    number = (value << 4) | _check_of(value)
    coded = tuple(number >> shift & 1 for shift in range(BITS + 3, -1, -1))
    return (*_MARKERS, *coded)


def bar_row(clock_ms: int, square_pixels: int = 16) -> bytes:
    """Give one row of the bar as luma; the bar is `square_pixels` such rows."""
    colours = (bytes([BLACK_Y]) * square_pixels, bytes([WHITE_Y]) * square_pixels)
    return b"".join(colours[bit] for bit in squares_of(clock_ms))


def read_clock(pixels: bytes, width: int, height: int) -> int | None:
    """Read the time from a whole picture in grey, RGB or RGBA; None when it holds no clear code.

    The number of bytes a pixel follows from the length; of RGB the green channel is read.
    """
    channels = len(pixels) // (width * height)
    channel = 1 if channels > 1 else 0
    levels = [_level(pixels[channel::channels], width, height, square) for square in range(SQUARES)]
    white, black = (levels[0] + levels[2]) / 2, (levels[1] + levels[3]) / 2
    if white - black < LEAST_CONTRAST:
        return None
    bits = [level > (white + black) / 2 for level in levels[4:]]
    number = int("".join("01"[bit] for bit in bits), 2)
    value, check = number >> 4, number & 15
    return value if check == _check_of(value) else None


def _level(grey: bytes, width: int, height: int, square: int) -> float:
    """Average the middle half of a square."""
    left, right = width * (square + 0.25) / SQUARES, width * (square + 0.75) / SQUARES
    top, bottom = height * (1 - 0.75 / ROWS), height * (1 - 0.25 / ROWS)
    columns = range(int(left), max(int(right), int(left) + 1))
    rows = range(int(top), max(int(bottom), int(top) + 1))
    seen = [grey[row * width + column] for row in rows for column in columns]
    return sum(seen) / len(seen)


def _check_of(value: int) -> int:
    check = _CHECK_SEED
    for shift in range(0, BITS, 4):
        check ^= value >> shift & 15
    return check

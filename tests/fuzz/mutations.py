"""Files that were damaged on purpose, by a seed."""

from __future__ import annotations

import os

BUDGET_S = float(os.environ.get("POSEAUTH_FUZZ_S", "60"))
"""Seconds for all fuzz tests together: a minute by default, POSEAUTH_FUZZ_S=3600 for an hour."""

SEED = int(os.environ.get("POSEAUTH_FUZZ_SEED", "0"))


def mutated(content, others, rng):
    """The bytes after one to three of: flipped bits, a cut, a piece of another file, a run erased, doubled or random.

    Parameters
    ----------
    content : bytes
    others : sequence of bytes
        What pieces are taken from.
    rng : np.random.Generator
    """
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        if not damaged:
            break
        place = int(rng.integers(len(damaged)))
        # Headers decide most; half of the damage is done there.
        if rng.random() < 0.5:
            place = int(rng.integers(min(len(damaged), 1024)))
        length = int(rng.integers(1, 1 + min(4096, len(damaged))))
        kind = rng.integers(6)
        if kind == 0:
            for _ in range(rng.integers(1, 65)):
                where = int(rng.integers(len(damaged)))
                damaged[where] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            del damaged[place:]
        elif kind == 2:
            other = others[int(rng.integers(len(others)))]
            begin = int(rng.integers(max(1, len(other))))
            damaged[place : place + length] = other[begin : begin + length]
        elif kind == 3:
            damaged[place : place + length] = bytes(len(damaged[place : place + length]))
        elif kind == 4:
            damaged[place:place] = damaged[place : place + length]
        else:
            damaged[place : place + 4] = rng.bytes(4)
    return bytes(damaged)

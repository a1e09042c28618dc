"""HDR pictures brought to standard range, which the pose networks were taught: PQ (SMPTE ST 2084) and HLG (BT.2100).

White of a sheet of paper, 203 cd/m2 in HDR by ITU-R BT.2408, becomes the white of SDR; what is brighter is compressed
into the last fifth. Each colour is taken by itself: the wider gamut of BT.2020 is not mapped, so that colours come out
a little paler than on an HDR screen, and greys as they are.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from poseauth.arrays import Float64Array, UInt8Array

PQ, HLG = 16, 18
"""Transfer characteristics of ITU-T H.273."""

_WHITE_NITS, _HLG_PEAK_NITS = 203.0, 1000.0
_KNEE = 0.8
"""Share of the SDR white up to which brightness is kept as it is."""
_MOST_NITS = 4000.0
_BT2020 = 9
"""Of swscale: the matrix from YUV to RGB."""


def transfer_of(picture: Any, codec_context: Any) -> int | None:
    """PQ or HLG; None where a decoded picture is of standard range."""
    transfer = int(getattr(picture, "color_trc", None) or codec_context.color_trc or 0)
    return transfer if transfer in (PQ, HLG) else None


def to_standard_range(
    converter: Any, picture: Any, width: int, height: int, transfer: int, interpolation: str | None
) -> UInt8Array:
    """An HDR picture in standard range.

    Parameters
    ----------
    converter : av.video.reformatter.VideoReformatter
        Scales it and gives its own 16-bit RGB.
    picture : av.VideoFrame
        As decoded.
    width, height : int
        Of the result in pixels.
    transfer : int
        PQ or HLG.
    interpolation : str or None
        As of the converter.

    Returns
    -------
    np.ndarray [shape=(H, W, 3)], uint8
        RGB.
    """
    rgb = converter.reformat(
        picture, width, height, "rgb48le", src_colorspace=_BT2020, interpolation=interpolation
    ).to_ndarray()
    return np.asarray(_codes(transfer)[rgb])


@cache
def _codes(transfer: int) -> UInt8Array:
    """The 8-bit SDR code of each 16-bit HDR code."""
    signal = np.arange(1 << 16) / ((1 << 16) - 1)
    nits = _pq_nits(signal) if transfer == PQ else _hlg_nits(signal)
    linear = nits / _WHITE_NITS
    # Above the knee a curve that starts with the slope of one and reaches white at the brightest that is told apart.
    over = np.clip((linear - _KNEE) / (1 - _KNEE), 0, None)
    most = (_MOST_NITS / _WHITE_NITS - _KNEE) / (1 - _KNEE)
    shoulder = over * (1 + over / most**2) / (1 + over)
    compressed = np.where(linear <= _KNEE, linear, _KNEE + (1 - _KNEE) * np.minimum(shoulder, 1.0))
    return np.asarray(np.rint(255 * compressed ** (1 / 2.4)), np.uint8)


def _pq_nits(signal: Float64Array) -> Float64Array:
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def _hlg_nits(signal: Float64Array) -> Float64Array:
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(_HLG_PEAK_NITS * scene**1.2)

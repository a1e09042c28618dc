"""Regions of a picture, and what is cut out of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from keypoint_extractors.blazepose.regions import Cropper, Region, normalized_angle, region_along

NOISE = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)


def test_a_point_goes_into_the_picture_and_back():
    region = Region(70.0, 40.0, 50.0, 0.7)
    shares = np.array([[0.5, 0.5], [0.0, 1.0], [0.8, 0.3]])
    back = region.from_picture(region.to_picture(shares)) / region.side + 0.5
    np.testing.assert_allclose(back, shares, atol=1e-12)
    np.testing.assert_allclose(region.to_picture(shares[:1]), [[70, 40]])


def test_an_angle_turns_clockwise_as_the_picture_is_seen():
    """The top of a region turned by a quarter lies to the right of its centre."""
    top = Region(0.0, 0.0, 2.0, math.pi / 2).to_picture(np.array([[0.5, 0.0]]))
    np.testing.assert_allclose(top, [[1, 0]], atol=1e-12)


def test_a_shift_goes_along_the_regions_own_axis_and_comes_before_the_growth():
    moved = Region(0.0, 0.0, 10.0, math.pi / 2).changed(scale=3.0, shift_y=-0.1)
    np.testing.assert_allclose((moved.x, moved.y, moved.side), (1, 0, 30), atol=1e-12)


@pytest.mark.parametrize(
    ("end", "angle"), [((5, -4), 0.0), ((9, 0), math.pi / 2), ((5, 4), math.pi), ((1, 0), -math.pi / 2)]
)
def test_a_region_is_turned_so_that_the_way_to_its_edge_points_up(end, angle):
    region = region_along(np.array([5.0, 0.0]), np.array(end, float), up=math.pi / 2, scale=1.25)
    assert abs(normalized_angle(region.angle - angle)) < 1e-12
    assert region.side == pytest.approx(10.0)


def test_what_is_cut_out_is_the_linear_mixture_of_four_pixels_in_thirty_seconds():
    region, side = Region(60.3, 41.7, 33.0, 0.4), 24
    cut = Cropper(side).cut(NOISE, region).astype(float)
    y, x = np.mgrid[:side, :side]
    shares = np.stack([x.ravel(), y.ravel()], axis=1) / side
    places = np.round(region.to_picture(shares) * 32) / 32
    low = np.floor(places).astype(int)
    part = places - low
    expected = sum(
        NOISE[low[:, 1] + down, low[:, 0] + right]
        * (part[:, :1] if right else 1 - part[:, :1])
        * (part[:, 1:] if down else 1 - part[:, 1:])
        for right in (0, 1)
        for down in (0, 1)
    )
    # A place may be rounded to the thirty-second beside.
    away = np.abs(cut.reshape(-1, 3) - expected).max(axis=1)
    assert np.percentile(away, 90) <= 1.0
    assert away.max() < 255 * 2 / 32


def test_an_upright_region_as_large_as_the_cut_gives_the_pixels_themselves():
    cut = Cropper(32).cut(NOISE, Region(40.0, 30.0, 32.0))
    np.testing.assert_array_equal(cut, NOISE[14:46, 24:56])


def test_beyond_the_picture_its_edge_goes_on_or_all_is_black():
    beside = Region(-40.0, 45.0, 20.0)
    assert (Cropper(8, black_outside=True).cut(NOISE, beside) == 0).all()
    assert (Cropper(8).cut(NOISE, beside)[:, :1] == Cropper(8).cut(NOISE, beside)).all()
    assert Cropper(8).cut(NOISE, beside).any()


@pytest.mark.parametrize(
    "region",
    [
        Region(math.nan, 5, 20),
        Region(50, 50, 1.0),
        Region(50, 50, 5000.0),
        Region(500, 50, 20),
        Region(5, 5, 20, math.inf),
    ],
)
def test_a_region_that_is_no_place_in_the_picture_is_not_usable(region):
    assert not region.is_usable(160, 90)
    assert Region(5, 5, 20, 3.0).is_usable(160, 90)

"""Items are fetched ahead in a thread: all of them, in order, no further than asked, and no thread stays behind."""

from __future__ import annotations

import threading
import time

import pytest

from keypoint_extractors.ahead import Ahead


def left_behind():
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def test_every_item_comes_once_and_in_order():
    with Ahead(iter(range(100)), 3) as items:
        assert list(items) == list(range(100))
        assert next(items, None) is None
    assert not left_behind()


def test_no_more_is_fetched_than_may_wait():
    fetched = []

    def source():
        for number in range(100):
            fetched.append(number)
            yield number

    with Ahead(source(), 3) as items:
        assert next(items) == 0
        time.sleep(0.2)
        assert len(fetched) <= 1 + 3 + 1
    assert not left_behind()


def test_what_the_source_raises_comes_out_after_what_it_gave():
    def source():
        yield 1
        raise ValueError("broken")

    with Ahead(source(), 3) as items:
        assert next(items) == 1
        with pytest.raises(ValueError, match="broken"):
            next(items)
    assert not left_behind()


def test_who_leaves_in_the_middle_leaves_no_thread():
    def left():
        with Ahead(iter(range(1000)), 2) as items:
            next(items)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        left()
    assert not left_behind()

"""Networks side by side: their order, how far ahead they go, and what is left when something goes wrong."""

from __future__ import annotations

import threading
import time

import pytest

from keypoint_extractors.network_threads import NetworkThreads


class Network:
    """Counts how many use it at once."""

    def __init__(self):
        self.n_users = 0
        self.most_users = 0

    def square(self, number):
        self.n_users += 1
        self.most_users = max(self.most_users, self.n_users)
        time.sleep(0.002 * (number % 3))
        self.n_users -= 1
        return number**2


@pytest.fixture
def networks():
    return [Network(), Network(), Network()]


@pytest.fixture
def threads(networks):
    threads = NetworkThreads(networks, "test")
    yield threads
    threads.close()


def test_answers_come_in_order_and_no_network_is_used_twice_at_once(threads, networks):
    assert list(threads.map(Network.square, range(40))) == [number**2 for number in range(40)]
    assert all(network.most_users <= 1 for network in networks)


def test_they_run_side_by_side(threads):
    meeting = threading.Barrier(3, timeout=30)
    assert list(threads.map(lambda network, number: meeting.wait() is not None, range(3))) == [True] * 3


def test_pieces_are_taken_as_they_are_needed(threads):
    taken = []
    answers = threads.map(Network.square, (taken.append(number) or number for number in range(100)))
    assert next(answers) == 0
    assert len(taken) == 4


def test_an_error_comes_through_and_the_networks_stay_usable(threads):
    def fail_at_two(network, number):
        if number == 2:
            raise KeyError(number)
        return number

    with pytest.raises(KeyError):
        list(threads.map(fail_at_two, range(20)))
    assert list(threads.map(Network.square, range(5))) == [0, 1, 4, 9, 16]


def test_closing_gives_the_networks_back_once_and_then_nothing_runs(networks):
    threads = NetworkThreads(networks, "test")
    assert threads.close() == networks
    assert threads.close() == []
    with pytest.raises(ValueError, match="closed"):
        list(threads.map(Network.square, range(3)))


def test_every_thread_starts_as_it_is_told(networks):
    started = []
    threads = NetworkThreads(networks, "test", lambda: started.append(threading.get_ident()))
    list(threads.map(Network.square, range(30)))
    threads.close()
    assert 1 <= len(set(started)) == len(started) <= 3

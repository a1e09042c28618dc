"""A Ray cluster of several processes on this machine, on 127.0.0.1 alone."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_STORE_BYTES = 80 << 20


@contextlib.contextmanager
def cluster(n_cpus=2):
    """A cluster whose head has so many cores; or the test is skipped, by name of what is missing."""
    if sys.platform != "linux":
        pytest.skip("Ray's clusters of several machines are for Linux")
    from poseauth.batch.ray_actors import usable_ray
    from poseauth.errors import ClusterError

    patch = pytest.MonkeyPatch()
    # Ray's processes tell nobody, and find the code under test.
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    patch.setenv("OMP_NUM_THREADS", "1")
    try:
        usable_ray()
    except ClusterError as error:
        patch.undo()
        pytest.skip(str(error))
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    assert not ray_constants.ENABLE_RAY_CLUSTER, "Ray would listen on every address of this machine"
    # Heard of no more after some seconds instead of half a minute.
    config = {"health_check_period_ms": 500, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 4}
    node = {"include_dashboard": False, "object_store_memory": _STORE_BYTES, "node_ip_address": "127.0.0.1"}
    started = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": n_cpus, "_system_config": config})
    try:
        yield started
    finally:
        started.shutdown()
        patch.undo()


def add_machine(started, n_cpus):
    """One more machine of a cluster; gives what `remove_node` takes."""
    return started.add_node(num_cpus=n_cpus, object_store_memory=_STORE_BYTES, node_ip_address="127.0.0.1")


def workers():
    """Process ids of Ray's workers that are at a piece."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::_Worker.do"):
                found.append(int(folder.name))
    return found

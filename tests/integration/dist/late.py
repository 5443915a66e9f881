"""A rank program that runs a network before it broadcasts its parameters."""

from typing import Any

import mxnet as mx

from perf.worker.rank.convergence import network_of
from perf.worker.rank.heartbeat import Heartbeat
from perf.worker.rank.network import allocate_parameters, broadcast


def run(*, heartbeat: Heartbeat, early: bool) -> dict[str, Any]:
    net = network_of(normalised=False)
    net.initialize()
    net.hybridize()
    images = mx.nd.ones((4, 1, 8, 8))
    if early:
        allocate_parameters(net, images)
        broadcast(net)
    net(images).wait_to_read()
    if not early:
        broadcast(net)
    heartbeat.progressed()
    return {}

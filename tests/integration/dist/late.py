"""A rank program that runs a network before it broadcasts its parameters."""

from typing import Any

import mxnet as mx

from perf.worker.rank.convergence import network_of
from perf.worker.rank.heartbeat import Heartbeat
from perf.worker.rank.parameters import broadcast


def run(*, heartbeat: Heartbeat, early: bool) -> dict[str, Any]:
    net = network_of(normalised=False)
    net.initialize()
    net.hybridize()
    images = mx.nd.ones((4, 1, 8, 8))
    if early:
        net.infer_shape(images)
        for parameter in net.collect_params().values():
            parameter._finish_deferred_init()
        broadcast(net)
    net(images).wait_to_read()
    if not early:
        broadcast(net)
    heartbeat.progressed()
    return {}

"""How fast synchronous data-parallel training is: gluon's network, Horovod's trainer, a step at a time."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import horovod.mxnet as hvd
import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from perf.worker.disturbance import held_up_ns, read, stolen_ns
from perf.worker.injection import with_extra_work
from perf.worker.rank.heartbeat import Heartbeat
from perf.worker.rank.horovod_trace import activities
from perf.worker.rank.parameters import broadcast, digest, settle_shapes, trainer_of


def run(
    *,
    heartbeat: Heartbeat,
    network: str,
    batch: int,
    seed: int,
    optimizer: dict[str, float],
    schedule: dict[str, Any],
    examples: int,
    extra_work: float,
) -> dict[str, Any]:
    """Train on the same random images over and over, as in the first epoch of `examples` of them, as far as it is asked
    to: "train" takes `steps`, and answers with (start, end) of each in ns on CLOCK_MONOTONIC; `extra_work` makes these
    longer on purpose, by a share of each. FloatingPointError when the loss is no finite number after them: what was
    timed is then no training. "profile" takes steps that talk to no other rank, in turn with as many that do, and as
    many with Horovod's timeline, and answers with where their time goes.

    In the end, a digest of the weights as they were after the last "train", which ranks must agree on.
    """
    mx.random.seed(seed)
    draw = np.random.RandomState(seed + hvd.rank())
    images = mx.nd.array(draw.uniform(-1, 1, (batch, 3, 224, 224)))
    labels = mx.nd.array(draw.randint(0, 1000, batch))
    net = gluon.model_zoo.vision.get_model(network, classes=1000)
    net.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))
    net.hybridize(static_alloc=True, static_shape=True)
    settle_shapes(net, images)
    broadcast(net)
    trainer = trainer_of(net, optimizer, schedule, examples // (batch * hvd.size()))
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    errors = mx.nd.zeros(batch)

    def step(finish: Callable[[int], None]) -> None:
        nonlocal errors
        with autograd.record():
            errors = loss(net(images), labels)
        errors.backward()
        finish(batch)
        mx.nd.waitall()
        heartbeat.progressed()

    def together() -> None:
        step(trainer.step)

    def alone() -> None:
        step(trainer.update)

    timed = with_extra_work(together, extra_work) if extra_work else together
    taken, weights = 0, ""
    for request in heartbeat.requests():
        if request["do"] == "train":
            before = read(heartbeat.cpus)
            steps = _timed(timed, request["steps"])
            after = read(heartbeat.cpus)
            taken += len(steps)
            if not np.isfinite(errors.asnumpy()).all():
                raise FloatingPointError(f"the loss is {errors.mean().asscalar()} after {taken} steps")
            lost = {"held_up_ns": held_up_ns(before, after, len(heartbeat.cpus)), "stolen_ns": stolen_ns(before, after)}
            heartbeat.answer({"steps_ns": steps, **lost})
            weights = ""
        else:
            weights = digest(net)  # steps that talk to no other rank make them differ
            turns = [(_once(together), _once(alone)) for _ in range(request["steps"])]
            heartbeat.answer({"turns_ns": turns, "timeline_ns": _timeline(together, request["steps"])})
    return {
        "weights_sha256": weights or digest(net),
        "gradient_bytes": sum(p.grad().size * 4 for p in net.collect_params().values() if p.grad_req != "null"),
    }


def _timed(step: Callable[[], None], count: int) -> list[tuple[int, int]]:
    """(start, end) of each step in ns."""
    steps: list[tuple[int, int]] = []
    for _ in range(count):
        before = time.monotonic_ns()
        step()
        steps.append((before, time.monotonic_ns()))
    return steps


def _once(step: Callable[[], None]) -> int:
    started = time.monotonic_ns()
    step()
    return time.monotonic_ns() - started


def _timeline(step: Callable[[], None], count: int) -> dict[str, int]:
    """Wall time of activities in ns per step, over `count` steps, and of a step itself (STEP); empty but on rank 0 of
    several.
    """
    if hvd.size() == 1:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "timeline.json"
        hvd.start_timeline(str(path))
        steps = _timed(step, count)
        hvd.stop_timeline()
        if not path.exists():
            return {}
        totals = {"STEP": steps[-1][1] - steps[0][0], **activities(path)}
        return {name: total // count for name, total in totals.items()}

"""How fast synchronous data-parallel training is: gluon's network, Horovod's trainer, a step at a time."""

import os
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
from perf.worker.rank.optimizer import trainer_of
from perf.worker.rank.parameters import broadcast, digest, settle_shapes
from perf.worker.rank.pulse import Pulse
from perf.worker.rank.timeline import activities


def run(
    *,
    pulse: Pulse,
    network: str,
    batch: int,
    seed: int,
    optimizer: dict[str, float],
    schedule: dict[str, Any],
    examples: int,
    extra_work: float,
    warm_up_steps: int,
    min_steps: int,
    min_duration_s: float,
    local_steps: int,
    timeline_steps: int,
) -> dict[str, Any]:
    """Train on the same random images over and over, as in the first epoch of `examples` of them; (start, end) of each
    timed step in ns on CLOCK_MONOTONIC. `extra_work` makes these steps longer on purpose, by a share of each.
    FloatingPointError when the loss is no finite number after them: what was timed is then no training.

    Then two looks at where the time goes: `local_steps` that talk to no other rank, in turn with as many that do, and
    `timeline_steps` with Horovod's timeline. Weights are compared before these, by a digest.
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
        pulse.moved()

    for _ in range(warm_up_steps):
        step(trainer.step)
    timed = with_extra_work(lambda: step(trainer.step), extra_work) if extra_work else lambda: step(trainer.step)
    cpus = os.sched_getaffinity(0)
    before = read(cpus)
    steps = _timed(timed, min_steps, int(min_duration_s * 1e9))
    after = read(cpus)
    if not np.isfinite(errors.asnumpy()).all():
        raise FloatingPointError(f"the loss is {errors.mean().asscalar()} after {warm_up_steps + len(steps)} steps")
    return {
        "steps_ns": steps,
        "held_up_ns": held_up_ns(before, after, len(cpus)),
        "stolen_ns": stolen_ns(before, after),
        "weights_sha256": digest(net),
        "gradient_bytes": sum(p.grad().size * 4 for p in net.collect_params().values() if p.grad_req != "null"),
        "timeline_ns": _timeline(lambda: step(trainer.step), timeline_steps) if timeline_steps else {},
        "turns_ns": [
            (_once(lambda: step(trainer.step)), _once(lambda: step(trainer.update))) for _ in range(local_steps)
        ],
    }


def _timed(step: Callable[[], None], least: int, duration_ns: int) -> list[tuple[int, int]]:
    """(start, end) of each step in ns, `least` of them at least, until the slowest rank's clock says that it is enough:
    all ranks must take the same number.
    """
    steps: list[tuple[int, int]] = []
    started = time.monotonic_ns()
    count = least
    while len(steps) < count:
        before = time.monotonic_ns()
        step()
        after = time.monotonic_ns()
        steps.append((before, after))
        if len(steps) == least and duration_ns:
            wanted = max(least, round(least * duration_ns / (after - started)))
            count = int(hvd.allreduce(mx.nd.array([wanted]), average=True, name="steps").asscalar())
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
        steps = _timed(step, count, 0)
        hvd.stop_timeline()
        if not path.exists():
            return {}
        totals = {"STEP": steps[-1][1] - steps[0][0], **activities(path)}
        return {name: total // count for name, total in totals.items()}

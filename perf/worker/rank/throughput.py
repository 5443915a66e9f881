"""A rank program: time steps of synchronous data-parallel training with gluon and Horovod."""

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
from perf.worker.passes.injection import with_extra_work
from perf.worker.rank.heartbeat import Heartbeat
from perf.worker.rank.horovod_trace import activities_ns
from perf.worker.rank.network import broadcast, digest, model_of, trainer_of
from perf.worker.rank.step_parts import mark, parts_ns

# The images and classes of ImageNet.
SIZE, CLASSES = 224, 1000


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
    """Train `network` on the same `batch` random images in every step, and take steps when asked to.

    The request "train" takes `steps` steps. Its answer holds `steps_ns`, (start, end) of each step in ns on
    CLOCK_MONOTONIC, and the time lost to other programs and the hypervisor in ns. Raises FloatingPointError when the
    loss is not finite after them: what was timed is then no training.

    The request "breakdown" takes `steps` pairs of a step with and a step without communication, then `steps` steps with
    Horovod's timeline. Its answer holds `pairs_ns` and `timeline_ns`, the wall time of each activity per step. The
    request "profile" takes the same pairs, then `steps` steps without communication whose parts run one after the
    other; its answer holds `pairs_ns` and `parts_ns` (perf.worker.rank.step_parts). The request "mark" takes such
    steps, and marks in MKL-DNN's trace where each part ends.

    `extra_work` makes all steps slower on purpose, by a fraction of each. `seed`: of parameters and images.
    `optimizer`, `schedule`: see `trainer_of`; an epoch has `examples` images. Returns `weights_sha256`, the digest of
    the weights after the last "train", on which ranks must agree, and `gradient_bytes`.
    """
    mx.random.seed(seed)
    draw = np.random.RandomState(seed + hvd.rank())
    images = mx.nd.array(draw.uniform(-1, 1, (batch, 3, SIZE, SIZE)))
    labels = mx.nd.array(draw.randint(0, CLASSES, batch))
    net = model_of(network, CLASSES, images)
    broadcast(net)
    trainer = trainer_of(net, optimizer, schedule, examples // (batch * hvd.size()))
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    errors = mx.nd.zeros(batch)

    def forward() -> None:
        nonlocal errors
        with autograd.record():
            errors = loss(net(images), labels)

    def backward() -> None:
        errors.backward()

    parts = {
        "forward": forward,
        "backward": backward,
        "update": lambda: trainer.update(batch),
    }

    def step(finish: Callable[[int], None]) -> None:
        forward()
        backward()
        finish(batch)
        mx.nd.waitall()
        heartbeat.progressed()

    def injected(one_step: Callable[[], None]) -> Callable[[], None]:
        return with_extra_work(one_step, extra_work) if extra_work else one_step

    together = injected(lambda: step(trainer.step))
    alone = injected(lambda: step(trainer.update))
    taken, weights = 0, ""
    for request in heartbeat.requests():
        if request["do"] == "train":
            before = read(heartbeat.cpus)
            steps = _timed(together, request["steps"])
            after = read(heartbeat.cpus)
            taken += len(steps)
            if not np.isfinite(errors.asnumpy()).all():
                raise FloatingPointError(f"the loss is {errors.mean().asscalar()} after {taken} steps")
            lost = {"held_up_ns": held_up_ns(before, after, len(heartbeat.cpus)), "stolen_ns": stolen_ns(before, after)}
            heartbeat.answer({"steps_ns": steps, **lost})
            weights = ""
            continue
        weights = weights or digest(net)  # steps without communication make the weights of ranks differ
        if request["do"] == "mark":
            mark(parts, request["steps"], heartbeat.progressed)
            heartbeat.answer({})
            continue
        pairs = [(_once_ns(together), _once_ns(alone)) for _ in range(request["steps"])]
        if request["do"] == "breakdown":
            heartbeat.answer({"pairs_ns": pairs, "timeline_ns": _timeline_ns(together, request["steps"])})
        else:
            one_by_one = parts_ns(parts, request["steps"], heartbeat.progressed, injected)
            heartbeat.answer({"pairs_ns": pairs, "parts_ns": one_by_one})
    return {
        "weights_sha256": weights or digest(net),
        "gradient_bytes": sum(p.grad().size * 4 for p in net.collect_params().values() if p.grad_req != "null"),
    }


def _timed(step: Callable[[], None], count: int) -> list[tuple[int, int]]:
    """Return (start, end) of each of `count` steps in ns."""
    steps: list[tuple[int, int]] = []
    for _ in range(count):
        before = time.monotonic_ns()
        step()
        steps.append((before, time.monotonic_ns()))
    return steps


def _once_ns(step: Callable[[], None]) -> int:
    start_ns = time.monotonic_ns()
    step()
    return time.monotonic_ns() - start_ns


def _timeline_ns(step: Callable[[], None], count: int) -> dict[str, int]:
    """Return the wall time of each of Horovod's activities per step, and of a step itself (STEP), over `count` steps.

    {} on one rank, and on all ranks but rank 0, where Horovod writes its timeline.
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
        totals = {"STEP": steps[-1][1] - steps[0][0], **activities_ns(path)}
        return {name: total // count for name, total in totals.items()}

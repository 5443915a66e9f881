"""The images of a record file, classified by a variant: a worker reads them and answers a few batches at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from perf.builds import Build
from perf.errors import PerfError
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Done, Loaded, Ready
from perf.measure.workers.worker_group import SEED

# A record is a magic number, a word whose upper 3 bits say which part of an image it holds (0 all of it, 1 the first,
# 2 a middle one, 3 the last) and whose others are its bytes, and those bytes, filled up to words (dmlc/recordio.h).
MAGIC = 0xCED7230A
WORD = 4
LENGTH_BITS = 29
BEGINNINGS = (0, 1)
CLASSES = 5


@dataclass(frozen=True)
class RecordReading:
    """How a worker reads a record file; perf.worker.records says what the fields mean."""

    path: str
    image_size: int
    batch_size: int
    skipped: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shuffle_chunk_seed: int
    seed: int
    preprocess_threads: int


class Classified(msgspec.Struct):
    """Labels of images, and their best classes, the best first."""

    labels: list[int]
    best: list[list[int]]


def count_images(path: Path) -> int:
    """How many images a record file holds, from its records' headers. PerfError when it is no record file, or a part
    of one.
    """
    images, size = 0, path.stat().st_size
    with path.open("rb") as stream:
        while header := stream.read(2 * WORD):
            magic, word = int.from_bytes(header[:WORD], "little"), int.from_bytes(header[WORD:], "little")
            length = word & ((1 << LENGTH_BITS) - 1)
            end = stream.tell() + -(-length // WORD) * WORD
            if magic != MAGIC or end > size:
                what = "ends in the middle of an image" if magic == MAGIC else "is no record file"
                raise PerfError(
                    f"it {what}, at byte {stream.tell() - len(header)}",
                    subject=str(path),
                    next_step="make it with MXNet's im2rec, or fetch it again",
                )
            images += word >> LENGTH_BITS in BEGINNINGS
            stream.seek(end)
    return images


def save_images(build: Build, reading: RecordReading, count: int, name: str, path: Path, resources: Resources) -> None:
    """Write the first images of a record file, as a network is to see them, to an .npz file under a name.

    WorkerError when the worker fails.
    """
    with _worker(build, "records", resources) as worker:
        worker.ask(Done, "open_records", **asdict(reading))
        worker.ask(Done, "save_images", path=str(path), name=name, count=count)


def classified(
    variant: Variant[Program], reading: RecordReading, name: str, batches: int, resources: Resources
) -> Iterator[Classified]:
    """What a variant answers on the images of a record file, after the skipped ones; so many batches at a time, fed to
    the input `name`. WorkerError when the worker fails.
    """
    shape = (reading.batch_size, 3, reading.image_size, reading.image_size)
    with _worker(variant.build, variant.name, resources) as worker:
        do, arguments = variant.program.load_request
        worker.ask(Loaded, do, **arguments)
        worker.ask(Done, "bind", inputs={name: shape}, scales={}, seed=SEED)
        worker.ask(Done, "open_records", **asdict(reading))
        while (found := worker.ask(Classified, "classify", batches=batches, input_name=name, classes=CLASSES)).labels:
            yield found


@contextmanager
def _worker(build: Build, name: str, resources: Resources) -> Iterator[Instance]:
    log = resources.scratch / f"{name}-0.log"
    with Instance(build, resources.placements[0], log, timeout_s=resources.timeout_s) as worker:
        worker.receive(Ready)
        yield worker

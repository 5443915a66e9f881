"""The images of a record file: counted, saved, and classified by a variant, a few batches at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from perf.builds import Build
from perf.errors import PerfError
from perf.files import check_regular
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant
from perf.measure.workers.instance import Instance
from perf.measure.workers.replies import Done, Loaded, Ready
from perf.measure.workers.worker_group import SEED

# A record is a magic number, a header word and data, padded to whole words (dmlc/recordio.h). The upper 3 bits of the
# header word say which part of an image the record holds (0 all of it, 1 the first, 2 a middle part, 3 the last). Its
# other bits are the number of bytes.
MAGIC = 0xCED7230A
WORD = 4
LENGTH_BITS = 29
BEGINNINGS, UNFINISHED, LAST_PART = (0, 1), (1, 2), 3
# How many of an image's best classes are kept, for top-5 accuracy.
CLASSES = 5


@dataclass(frozen=True)
class RecordReading:
    """How a worker reads a record file: the arguments of `open_records` in perf/worker/records.py.

    path: the record file.
    image_size: the height and width of the images, in pixels.
    batch_size: how many images a batch has.
    skipped: how many images at the start are left out.
    mean: the mean of red, green and blue, of pixels from 0 to 255.
    std: their standard deviation.
    shuffle_chunk_seed: the seed that shuffles the chunks of the file.
    seed: the seed that shuffles the images.
    preprocess_threads: how many threads decode images.
    """

    path: str
    image_size: int
    batch_size: int
    skipped: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shuffle_chunk_seed: int
    seed: int
    preprocess_threads: int


class ClassifiedImages(msgspec.Struct):
    """The `labels` of images, and their `best` classes, the best first."""

    labels: list[int]
    best: list[list[int]]


def count_images(path: Path) -> int:
    """Return how many images a record file holds, by its records' headers.

    Raises PerfError when it cannot be read, is not a record file, or is incomplete.
    """
    images, place, unfinished = 0, 0, False
    step = "create it with MXNet's im2rec, or fetch it again"
    try:
        check_regular(path, step)
        size = path.stat().st_size
        with path.open("rb") as stream:
            while header := stream.read(2 * WORD):
                magic, word = int.from_bytes(header[:WORD], "little"), int.from_bytes(header[WORD:], "little")
                length, part = word & ((1 << LENGTH_BITS) - 1), word >> LENGTH_BITS
                end = place + 2 * WORD + -(-length // WORD) * WORD
                if magic != MAGIC or part > LAST_PART or (part in BEGINNINGS) == unfinished:
                    raise PerfError(f"it is not a record file, at byte {place}", subject=str(path), next_step=step)
                if len(header) < 2 * WORD or end > size:
                    break
                images += part in BEGINNINGS
                unfinished = part in UNFINISHED
                place = stream.seek(end)
    except OSError as error:
        raise PerfError(f"cannot be read: {error.strerror}", subject=str(path), next_step=step) from error
    if place < size or unfinished:
        raise PerfError(f"it ends in the middle of an image, at byte {place}", subject=str(path), next_step=step)
    return images


def save_images(build: Build, reading: RecordReading, count: int, name: str, path: Path, resources: Resources) -> None:
    """Write the first images of a record file, normalised for a network, as the array `name` to an .npz file.

    Raises WorkerError when the worker fails.
    """
    with _worker(build, "records", resources) as worker:
        worker.ask(Done, "open_records", **asdict(reading))
        worker.ask(Done, "save_images", path=str(path), name=name, count=count)


def classify_records(
    variant: Variant[Program], reading: RecordReading, name: str, batches: int, resources: Resources
) -> Iterator[ClassifiedImages]:
    """Yield how a variant classifies the images of a record file after the skipped ones, `batches` at a time.

    Images are fed to the input `name`. Raises WorkerError when the worker fails.
    """
    shape = (reading.batch_size, 3, reading.image_size, reading.image_size)
    with _worker(variant.build, variant.name, resources) as worker:
        do, arguments = variant.program.load_request(variant.build.facts.release)
        worker.ask(Loaded, do, **arguments)
        worker.ask(Done, "bind", inputs={name: shape}, scales={}, seed=SEED)
        worker.ask(Done, "open_records", **asdict(reading))
        request = {"batches": batches, "input_name": name, "classes": CLASSES}
        while (answer := worker.ask(ClassifiedImages, "classify", **request)).labels:
            yield answer


@contextmanager
def _worker(build: Build, name: str, resources: Resources) -> Iterator[Instance]:
    log = resources.scratch / f"{name}-0.log"
    with Instance(build, resources.placements[0], log, timeout_s=resources.timeout_s) as worker:
        worker.receive(Ready)
        yield worker

"""Networks, wheels, builds and images: binary files, their manifests, and the machine code of kernels."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.fuzz.reader import CorruptedError, Reader, Seed
from perf.builds import data as builds
from perf.builds.compiled import is_intact
from perf.builds.data import group_requirements, locked_source
from perf.builds.environment import MARKER, Marker
from perf.builds.facts import BuildFacts
from perf.builds.trust import content_of_wheel
from perf.cnn.artifacts.store import MANIFEST, sha256, verified_manifest
from perf.cnn.checks.symbol import read_layers
from perf.cnn.checks.vnni import byte_products, products_text
from perf.cnn.imagenet.records import MAGIC, count_images
from perf.cnn.symbols.params_file import read_params
from perf.cnn.symbols.symbol_file import input_of, read_symbol
from perf.dist.recipe import count_records
from perf.errors import PerfError
from perf.files import read_json
from perf.runs.night.plan import check_archive
from tests.support.wheels import wheel
from tests.unit.cnn.symbols.made_networks import PARAMS, params_bytes, symbol_text

SETTINGS = {"seed": 1}
NETWORK = "resnet18_v1-0123456789ab"
COMPILED = "horovod.whl"
FILES = {"fp32.json": symbol_text().encode(), "fp32.params": params_bytes()}
LOCK = b"""[[package]]
name = "horovod"
version = "0.28.1"
wheels = [{ url = "https://example.org/horovod-0.28.1-linux_x86_64.whl", hash = "sha256:aaa" }]
sdist = { url = "https://example.org/horovod-0.28.1.tar.gz", hash = "sha256:bbb" }
"""
PROJECT = b'[dependency-groups]\nmkl = ["mxnet-mkl==1.5.0", {include-group = "more"}]\nmore = ["numpy"]\n'
FACTS = BuildFacts("1.5.0", False, "1.23.5", "3.11.7", "lib/libmxnet.so", 1, "mxnet", "a" * 64, None)
# What an INT8 convolution's kernel may begin with: vpdpbusd zmm0, zmm1, [rax]; vpmaddubsw ymm0, ymm1, ymm2; ret.
CODE = bytes.fromhex("62f275485000c4e27504c2c3") * 8


def _record(parts: int, length: int) -> bytes:
    """Return an image in the format of RecordIO, in one part or in three."""
    flags = [0] if parts == 1 else [1, 2, 3]
    data = bytes(range(length)) + bytes(-length % 4)
    return b"".join(MAGIC.to_bytes(4, "little") + (f << 29 | length).to_bytes(4, "little") + data for f in flags)


def _wheel(folder: Path) -> bytes:
    return wheel(folder / "mxnet-1-py3-none-any.whl", {"mxnet/__init__.py": "x = 1\n" * 50}).read_bytes()


def _deflated() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("horovod/__init__.py", "x = 1\n" * 200)
    return stream.getvalue()


def _intact(folder: Path, _: Path) -> None:
    """Check a compiled wheel; one with another content is compiled again."""
    if not is_intact(folder / COMPILED):
        raise PerfError("is not what was compiled", subject=COMPILED)


def _archive(_: Path, path: Path) -> None:
    check_archive("mkl", str(path))


def _network(folder: Path, path: Path) -> object:
    """Verify a prepared network: a damaged one is removed, so it is written again for the next input."""
    made = folder / NETWORK
    changed = {name: (made / name).read_bytes() for name in (*FILES, MANIFEST)}
    manifest = verified_manifest(made, list(FILES), SETTINGS, lambda _: None)
    made.mkdir(exist_ok=True)
    for name, content in changed.items():
        (made / name).write_bytes(content)
    if manifest is None:
        raise PerfError("it is prepared again", subject=str(path))
    if any(sha256(made / name) != manifest.sha256[name] for name in FILES):
        raise CorruptedError("accepted a changed network")
    return None


def _manifest(files: Mapping[str, bytes], folder: Path) -> bytes:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    digests = {name: sha256(folder / name) for name in files}
    return json.dumps({"recipe": SETTINGS, "sha256": digests, "found": {"image_size": 224}}).encode()


def _symbol(_: Path, path: Path) -> None:
    input_of(read_symbol(path), [name.removeprefix("arg:") for name in PARAMS], path)


def _layers(_: Path, path: Path) -> None:
    layers = read_layers(path)
    for name in layers:
        layers.range_of(name)


def _kernel(folder: Path, _: Path) -> None:
    products_text(byte_products(folder, "mkldnn_dump_").values())


INT8_SYMBOL = {
    "nodes": [
        {"op": "null", "name": "data", "inputs": []},
        {"op": "null", "name": "w", "inputs": []},
        {"op": "_contrib_quantize_v2", "name": "q", "inputs": [[0, 0, 0]],
         "attrs": {"min_calib_range": "-1.5", "max_calib_range": "2.5"}},
        {"op": "_sg_mkldnn_conv", "name": "c", "inputs": [[2, 0, 0], [1, 0, 0]],
         "attrs": {"quantized": "true", "min_calib_range": "0", "max_calib_range": "3"},
         "subgraphs": [{"nodes": [{"op": "Convolution", "name": "conv", "attrs": {"no_bias": "True"}}]}]},
        {"op": "_contrib_quantized_pooling", "name": "p", "inputs": [[3, 0, 0]], "attrs": {"kernel": "(2, 2)"}},
    ],
    "heads": [[4, 0, 0]],
}  # fmt: skip


def readers(scratch: Path) -> list[Reader]:
    """Return the readers of networks, wheels, builds and images; `scratch` is a folder to make contents in."""
    marker = msgspec.json.encode(Marker("mxnet==1.5.0", None, FACTS))
    compiled = _deflated()
    digest = hashlib.sha256(compiled).hexdigest().encode()
    images = _record(1, 37) + _record(3, 20) + _record(1, 4)
    texts = {MANIFEST: _manifest(FILES, scratch), "fp32.json": FILES["fp32.json"]}
    seeds = tuple(Seed(f"{NETWORK}/{name}", content, "json") for name, content in texts.items())
    return [
        Reader(
            name="RecordIO file", modules=("perf.cnn.imagenet.records",),
            seeds=(Seed("val.rec", images, "binary"),), read=lambda _, path: count_images(path), weight=1.5,
        ),
        Reader(
            name="index of a RecordIO file", modules=("perf.dist.recipe",),
            seeds=(Seed("train.idx", b"0\t0\n1\t512\n2\t1024\n", "text"),),
            read=lambda _, path: count_records(path.with_suffix(".rec")),
        ),
        Reader(
            name="parameters", modules=("perf.cnn.symbols.params_file",),
            seeds=(Seed("net.params", params_bytes(), "binary"),), read=lambda _, path: len(read_params(path)),
            weight=1.5,
        ),
        Reader(
            name="symbol", modules=("perf.cnn.symbols.symbol_file",),
            seeds=(Seed("net.json", symbol_text().encode(), "json"),), read=_symbol,
        ),
        Reader(
            name="quantised symbol", modules=("perf.cnn.checks.symbol",),
            seeds=(Seed("int8.json", json.dumps(INT8_SYMBOL).encode(), "json"),), read=_layers,
        ),
        Reader(
            name="prepared network", modules=("perf.cnn.artifacts.store",),
            seeds=(*seeds, Seed(f"{NETWORK}/fp32.params", FILES["fp32.params"], "binary")), read=_network,
        ),
        Reader(
            name="wheel by content", modules=("perf.builds.trust",),
            seeds=(Seed("mxnet-1-py3-none-any.whl", _wheel(scratch), "binary"),), read=_content, exact=True, weight=1.5,
        ),
        Reader(
            name="compiled wheel", modules=("perf.builds.compiled",),
            seeds=(Seed(COMPILED, compiled, "binary"), Seed(f"{COMPILED}.sha256", digest, "text")), read=_intact,
            exact=True,
        ),
        Reader(
            name="candidate wheel", modules=("perf.runs.night.plan",),
            seeds=(Seed("mxnet.whl", _deflated(), "binary"),), read=_archive, weight=0.5,
        ),
        Reader(
            name="marker of a build", modules=("perf.builds.environment",),
            seeds=(Seed(MARKER, marker, "json"),), read=lambda _, path: read_json(path, Marker), weight=0.5,
        ),
        Reader(
            name="pyproject.toml", modules=("perf.builds.data",),
            seeds=(Seed("pyproject.toml", PROJECT, "toml"),),
            read=lambda _, path: group_requirements("mkl", path.parent), weight=0.5,
        ),
        Reader(
            name="uv.lock", modules=("perf.builds.data",), seeds=(Seed("uv.lock", LOCK, "toml"),), read=_lock,
            weight=0.5,
        ),
        Reader(
            name="machine code of a kernel", modules=("perf.cnn.checks.vnni",),
            seeds=(Seed("mkldnn_dump_jit_avx512_core_x8s8s32x_conv_fwd_ker_t.0.bin", CODE, "binary"),),
            read=_kernel, weight=0.3,
        ),
    ]  # fmt: skip


def _content(_: Path, path: Path) -> str:
    """Return the content of a wheel. Raises PerfError when it has none: then it is not installed."""
    content = content_of_wheel(path)
    if content is None:
        raise PerfError("it is not installed", subject=str(path))
    return content


def _lock(_: Path, path: Path) -> object:
    builds._lock.cache_clear()  # noqa: SLF001 - one process reads it once
    return locked_source("horovod", path.parent)

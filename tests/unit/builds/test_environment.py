"""Which requirements of a stored run may be installed to rebuild what it measured."""

from pathlib import Path

import pytest

from perf.builds import Build, build_with_content, environment
from perf.builds.spec import BuildSpec
from perf.errors import PerfError
from tests.support.fakes import build

CONTENT = "c" * 64


class Provided:
    """Stands in for installing builds: installs nothing, and records what would be installed."""

    def __init__(self) -> None:
        self.installed: list[str] = []

    def __call__(self, spec: BuildSpec, *_: object) -> Build:
        self.installed += spec.installs
        assert spec.content == CONTENT, "the installed content is not compared"
        return build(spec.name, requirement=spec.requirement, content_sha256=CONTENT)


def rebuilt(requirement: str, cache: Path, content: str = CONTENT) -> Build | None:
    return build_with_content("mkl", content=content, requirement=requirement, cache=cache, say=print)


@pytest.mark.parametrize(
    "requirement",
    [
        "./evil.whl",
        "evil.whl",
        "evil==1.0",
        "mxnet-evil==1.0",
        "mxnet-tensorrt==1.5.0",
        "evil==1-1-py3-none-any.whl",
        "{folder}/evil.whl",
        "~/evil.whl",
        ".",
        "./source",
        "https://example.org/mxnet_mkl-1.5.0-py3-none-any.whl",
        "file://{folder}/evil.whl",
        "git+https://example.org/mxnet.git",
        "mxnet-mkl @ file://{folder}/evil.whl",
        "mxnet-mkl@https://example.org/mxnet.whl",
        "mxnet-mkl==1.5.0 @ https://example.org/mxnet.whl",
        "mxnet-mkl==https://example.org/mxnet.whl",
        "-r requirements.txt",
        "--index-url=https://example.org mxnet-mkl==1.5.0",
        "mxnet-mkl==1.5.0 --index-url=https://example.org",
        "-e==1",
        "mxnet-mkl==1.5.0\nevil==1.0",
        "mxnet-mkl==1.5.0\n",
        "mxnet-mkl==1.5.0; python_version > '3'",
        "mxnet-mkl[evil]==1.5.0",
        "mxnet-mkl>=1.5.0",
        "mxnet-mkl==1.*",
        "mxnet-mkl===1.5.0",
        "mxnet-mkl",
        "mxnet-mkl==",
        "==1.5.0",
        "",
    ],
)
def test_only_a_release_from_the_index_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    """`requirement` comes from a stored run: a file that may come from anywhere."""
    (tmp_path / "evil.whl").write_bytes(b"evil")
    (tmp_path / "source").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    provided = Provided()
    monkeypatch.setattr(environment, "_provided", provided)
    assert rebuilt(requirement.format(folder=tmp_path), tmp_path / "cache") is None
    assert provided.installed == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("requirement", ["mxnet-mkl==1.5.0", "mxnet_mkl==1.6.0b20190821", "mxnet==1.8.0.post0"])
def test_a_release_is_installed_with_the_required_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requirement: str
) -> None:
    provided = Provided()
    monkeypatch.setattr(environment, "_provided", provided)
    assert rebuilt(requirement, tmp_path) is not None
    assert provided.installed == [requirement]


def test_a_release_that_cannot_be_installed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PerfError("uv pip failed")

    monkeypatch.setattr(environment, "_provided", fail)
    with pytest.raises(PerfError, match="uv pip failed"):
        rebuilt("mxnet-mkl==1.5.0", tmp_path)


@pytest.mark.parametrize("marker", [b"", b"{}", b"no JSON", b'{"requirement": "mxnet-mkl==1.5.0"}'])
def test_a_cached_build_with_a_damaged_marker_is_skipped(tmp_path: Path, marker: bytes) -> None:
    folder = tmp_path / "builds" / "mkl-0123456789ab"
    folder.mkdir(parents=True)
    (folder / environment.MARKER).write_bytes(marker)
    assert rebuilt("./lost.whl", tmp_path) is None

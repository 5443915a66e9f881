"""Stored answers: what each network's checks observed when it was last accepted, in baselines/answers/NETWORK.json."""

from pathlib import Path

import msgspec

from perf.builds import BuildFacts, release_of
from perf.facts import Drift
from perf.files import ROOT, read_json, write_whole

FOLDER = ROOT / "baselines" / "answers"
# The release whose answers are at the top of a file.
RELEASE = "1.5.0"


class GoldenDrift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network's drift with one calibration.

    `outputs`: the drift of the outputs. `layers_sqnr_db`: the signal-to-quantisation-noise ratio of every layer in dB,
    in execution order.
    """

    outputs: Drift
    layers_sqnr_db: dict[str, float]


class ReleaseAnswers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A network's stored answers in a release of MXNet.

    `layers`: by variant, the layers of each kind. `drift`: by calibration mode.
    """

    layers: dict[str, dict[str, tuple[str, ...]]] = {}
    drift: dict[str, GoldenDrift] = {}


class GoldenAnswers(ReleaseAnswers, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A network's stored answers in `RELEASE`, and in other `releases` by their version."""

    releases: dict[str, ReleaseAnswers] = {}

    def of(self, facts: BuildFacts) -> ReleaseAnswers:
        """Return the answers by which an installation is judged; empty ones if none are stored for its release."""
        version = release_with_answers(facts)
        return self if version == RELEASE else self.releases.get(version, ReleaseAnswers())

    def replaced(self, facts: BuildFacts, answers: ReleaseAnswers) -> "GoldenAnswers":
        """Return these answers, with `answers` for the release of an installation."""
        version = release_with_answers(facts)
        if version == RELEASE:
            return GoldenAnswers(answers.layers, answers.drift, self.releases)
        return GoldenAnswers(self.layers, self.drift, {**self.releases, version: answers})


def release_with_answers(facts: BuildFacts) -> str:
    """Return the version of the release whose stored answers hold for an installation: usually its own."""
    release, known = release_of(facts.mxnet)
    return (release.answers or release.version) if known else facts.mxnet


def golden_answers(network: str, folder: Path = FOLDER) -> GoldenAnswers:
    """Return a network's stored answers, empty ones if it has none. Raises PerfError when its file is damaged."""
    path = folder / f"{network}.json"
    if not path.exists():
        return GoldenAnswers()
    step = f"git checkout {path.relative_to(path.parents[2])}, or store it again with --perf-store-answers"
    return read_json(path, GoldenAnswers, next_step=step)


def store_golden(network: str, answers: GoldenAnswers, folder: Path = FOLDER) -> None:
    """Write a network's stored answers, whole. Raises OSError when they cannot be written."""
    content = msgspec.json.format(msgspec.json.encode(answers, order="sorted"), indent=1)
    write_whole(folder / f"{network}.json", content + b"\n")

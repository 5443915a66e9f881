"""The status of a network: whatever was observed, it has one, and none is green by silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.census.result import Layer, status_of, weakest_layers
from perf.census.settings import divided, settings
from perf.cnn.checks.floors import LayerLoss
from perf.cnn.checks.verify import VerifiedVariant
from perf.cnn.networks import catalogue
from perf.facts import Drift
from perf.measure.results import Failure

VARIANTS = tuple(catalogue().variants)


def variant(
    problem: str | None = None, unjudged: str | None = None, defects: tuple[str, ...] = (), sqnr_db: float = 20.0
) -> VerifiedVariant:
    drift = Drift(top1_agreement=1.0, sqnr_db=sqnr_db, cosine=1.0, largest_error=0.1)
    losses = [LayerLoss("a", 30.0, 31.0), LayerLoss("b", 9.04, None), LayerLoss("c", 20.0, 24.06)]
    failure = Failure(problem, "") if problem else None
    return VerifiedVariant([], "unknown", 0.0, drift, None, failure, unjudged, defects, losses)


def verified(**variants: VerifiedVariant) -> dict[str, VerifiedVariant]:
    return {name: variants.get(name.replace("-", "_"), variant()) for name in VARIANTS}


@pytest.mark.parametrize(
    ("observed", "no_int8", "status"),
    [
        (verified(), None, ("agrees", "", ())),
        (verified(mkl_fp32=variant("off\nStack trace:")), None, ("differs", "mkl-fp32: off", ())),
        (verified(mkl_int8=variant("off", defects=("d",))), None, ("defect", "mkl-int8: off", ("d",))),
        (verified(mkl_fp32=variant("a"), mkl_int8=variant("b", defects=("d",))), None, ("differs", "mkl-fp32: a", ())),
        (verified(mkl_int8=variant("no file")), "it threw\nStack trace:", ("not quantised", "it threw", ())),
        (verified(mkl_int8=variant("no file", defects=("d",))), "it threw", ("defect", "mkl-int8: no file", ("d",))),
        (verified(mkl_fp32=variant("off"), mkl_int8=variant("no file")), "it threw", ("differs", "mkl-fp32: off", ())),
        (verified(mkl_int8=variant(unjudged="no floor")), None, ("not judged", "mkl-int8: no floor", ())),
        (verified(mkl_int8=variant(unjudged="little", defects=("d",))), None, ("defect", "mkl-int8: little", ("d",))),
        (verified(native_fp32=variant("not finite")), None, ("differs", "native-fp32: not finite", ())),
    ],
)  # fmt: skip
def test_status(
    observed: dict[str, VerifiedVariant], no_int8: str | None, status: tuple[str, str, tuple[str, ...]]
) -> None:
    assert status_of(observed, no_int8) == status


TEXT = st.none() | st.text("ab", min_size=1)
ANY = st.builds(variant, TEXT, TEXT, st.sampled_from([(), ("d",), ("d", "e")]))


@given(st.fixed_dictionaries(dict.fromkeys(VARIANTS, ANY)))
def test_only_what_is_right_and_judged_agrees(observed: dict[str, VerifiedVariant]) -> None:
    status, reason, defects = status_of(observed, None)
    clean = not any(one.problem or one.unjudged for one in observed.values())
    assert (status == "agrees") == clean == (not reason)
    assert (status == "defect") == bool(defects)


def test_layers_are_listed_where_the_ratio_is_low() -> None:
    assert weakest_layers(variant(sqnr_db=12.0), 15.0, 2) == (Layer("b", 9.0, None), Layer("c", 20.0, 24.1))
    assert weakest_layers(variant(sqnr_db=15.0), 15.0, 2) == ()
    assert weakest_layers(None, 15.0, 2) == ()


def test_what_does_not_classify_is_left_out_with_a_reason() -> None:
    modules = {"b": "resnet", "a": "alexnet", "hrnet_w48_s": "hrnet", "hrnet_w18_c": "hrnet", "ssd_300": "ssd.presets"}
    examined, left_out = divided(modules)
    assert examined == ["a", "b", "hrnet_w18_c"]
    assert left_out == {"hrnet_w48_s": "semantic segmentation", "ssd_300": "detection"}
    assert settings().why_left_out("darknet53", "yolo.darknet") is None

"""Charts: whole pages that need no network, with the names and figures of what they show."""

from pathlib import Path

import pytest

from perf.report.charts import mean_curve, write_accuracy_curves, write_layer_chart, write_training_charts
from perf.report.training import projections
from tests.unit.report.records import ratio, record, trained

PUBLISHED = {2: 0.9886, 32: 0.9299}


def page_of(path: Path) -> str:
    """Return a page, after checking that a browser needs nothing else to show it."""
    page = path.read_text()
    assert "Plotly.newPlot" in page
    assert '<script src="http' not in page
    return page


def test_accuracy_curves_are_means_by_number_of_ranks(tmp_path: Path) -> None:
    path = tmp_path / "curves.html"
    write_accuracy_curves(path, "Digits", {1: [[(0.5, 0.25)], [(0.75, 0.5)]], 2: [[(0.5, 0.5)], [(0.5, 0.5)]]})
    page = page_of(path)
    assert "Digits: accuracy by epoch, mean of 2 trainings" in page
    for name in ("1 rank, training", "1 rank, held out", "2 ranks, training", "2 ranks, held out"):
        assert name in page


def test_a_mean_curve_is_the_mean_of_each_epoch() -> None:
    assert mean_curve([[(0.5, 0.25), (1.0, 0.5)], [(0.75, 0.5), (1.0, 1.0)]]) == [(0.625, 0.375), (1.0, 0.75)]


def test_layers_are_shown_next_to_the_stored_ones(tmp_path: Path) -> None:
    path = tmp_path / "layers.html"
    write_layer_chart(path, "resnet18_v1", {"conv0": 31.5, "conv1": 28.0}, {"conv0": 31.0})
    page = page_of(path)
    assert "resnet18_v1" in page
    assert "conv1" in page


def test_training_charts_show_jobs_and_projections(tmp_path: Path) -> None:
    records = [record("mkl-fp32", 15.5), trained(1), trained(2, ratio(0.9))]
    path = tmp_path / "training.html"
    write_training_charts(path, records, PUBLISHED)
    page = page_of(path)
    for text in ("train-resnet50_v1-b8-mkl-r2", "announcement's Table 1", "resnet50_v1, batch 8, mkl, 10 Gbit"):
        assert text in page.replace("\\u0027", "'")


def test_projections_are_made_of_training_jobs_only() -> None:
    assert projections([record("mkl-fp32", 15.5), trained(1)], [2]) == {}
    (label,) = projections([trained(1), trained(2, ratio(0.9))], [2])
    assert label == "resnet50_v1, batch 8, mkl"


def test_a_chart_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_layer_chart(tmp_path / "missing" / "layers.html", "", {"conv0": 1.0}, {})

"""The names of GluonCV's networks are those of the installed one, and the census examines those that classify."""

from collections.abc import Mapping

from perf.builds import Build
from perf.census.settings import divided, modules_by_network
from perf.cnn.model_zoo import model_zoo


def test_the_list_holds_the_names_of_the_installed_gluoncv(builds: Mapping[str, Build]) -> None:
    modules = modules_by_network(builds["zoo"])
    assert sorted(model_zoo().classification + model_zoo().other) == sorted(modules)
    examined, left_out = divided(modules)
    quantised = {name for name, reason in left_out.items() if reason.startswith("quantised")}
    assert set(examined) == set(model_zoo().classification) - quantised
    assert set(left_out) - quantised <= set(model_zoo().other)

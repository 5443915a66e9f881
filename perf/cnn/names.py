"""A part of the plugin: which networks --perf-model may name, and which --perf-symbol may bring."""

from functools import partial

from perf.cnn.model_zoo import check_networks
from perf.cnn.symbols.networks import check_user_networks, user_networks
from perf.plugin.options import Options


def pytest_perf_check_names(options: Options) -> None:
    """Raise PerfError for a network that cannot be measured."""
    label = partial(options.label, "models")
    check_networks(options.models, another_zoo="zoo" in options.overrides, label=label)
    check_user_networks(user_networks(options.symbols), label=partial(options.label, "symbols"))

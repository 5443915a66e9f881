"""The names of GluonCV's networks are those of the installed one."""

import subprocess
from collections.abc import Mapping

from perf.builds import Build
from perf.cnn.model_zoo import model_zoo

LIST = "from gluoncv.model_zoo import get_model_list; print(*get_model_list(), sep='\\n')"


def test_the_list_holds_the_names_of_the_installed_gluoncv(builds: Mapping[str, Build]) -> None:
    command = [str(builds["zoo"].python), "-c", LIST]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    assert sorted(model_zoo().classification + model_zoo().other) == sorted(listed)

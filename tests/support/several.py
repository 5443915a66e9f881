"""Runs pytest several times in one process: `python -m tests.support.several JSON`, a list of lists of options.

For sessions that measure nothing: most of their time is spent importing. After each session's output comes END and its
exit code, on a line of their own.
"""

import json
import sys

import pytest

END = "=== tests.support.several ended with "


def main() -> None:
    for options in json.loads(sys.argv[1]):
        code = pytest.main(options)
        print(f"\n{END}{int(code)}", flush=True)


if __name__ == "__main__":
    main()

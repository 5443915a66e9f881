"""How long a browser takes to open the report page of many cases.

`uv run python -m benchmarks.page RUN.json` writes the page of a run, and of the same run with its cases repeated up to
200, opens both in Chromium by turns, and prints the time from the start of loading until the next frame after the
page's script: the fastest and the slowest of all repetitions, and the ratio of the fastest. Run it with nothing else
running.
"""

import copy
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CASES = 200
REPETITIONS = 5
TIMEOUT_S = 120
BROWSER = "chromium"
# What a page says of its own opening, in milliseconds, as the last thing that it does.
MARK = "<pre>opened after <script>document.body.offsetHeight; document.write(performance.now())</script> ms</pre>"
OPENED = re.compile(r"opened after <script>.*?</script>([\d.]+) ms")


def main() -> None:
    """Write both pages, open them by turns, and print the times."""
    if len(sys.argv) != 2 or not shutil.which(BROWSER):
        sys.exit(f"usage: python -m benchmarks.page RUN.json, with {BROWSER} on the PATH")
    content = json.loads(Path(sys.argv[1]).read_text())
    table = Table("cases", "MB", "fastest ms", "slowest ms", "over the smaller")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        count = len(content["benchmarks"])
        pages = [write_page(content, count, folder), write_page(content, CASES, folder)]
        times = [[opening_ms(page, folder) for page in pages] for _ in range(REPETITIONS)]
        smaller = min(own for own, _ in times)
        for page, cases, own in zip(pages, (count, CASES), zip(*times, strict=True), strict=True):
            figures = f"{min(own):.0f}", f"{max(own):.0f}", f"{min(own) / smaller:.2f}"
            table.add_row(str(cases), f"{page.stat().st_size / 1e6:.2f}", *figures)
    Console().print(table)


def write_page(content: dict[str, Any], cases: int, folder: Path) -> Path:
    """Write the page of a run with its cases repeated up to this number, and return its path."""
    own, entries = content["benchmarks"], []
    for number in range(cases):
        entry = copy.deepcopy(own[number % len(own)])
        entry["extra_info"]["workload"] += f"-copy{number // len(own)}" if number >= len(own) else ""
        entries.append(entry)
    run, page = folder / f"{cases}.json", folder / f"{cases}.html"
    run.write_text(json.dumps({**content, "benchmarks": entries}))
    subprocess.run([Path(sys.executable).with_name("mxperf"), "report", run, "-o", page], check=True)
    page.write_text(page.read_text().replace("</body>", f"{MARK}</body>"))
    return page


def opening_ms(page: Path, folder: Path) -> float:
    """Return how long Chromium took to open a page, in milliseconds."""
    options = ("--headless", "--no-sandbox", f"--user-data-dir={folder / 'profile'}", "--dump-dom")
    command = [BROWSER, *options, page.as_uri()]
    document = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout
    match = OPENED.search(document)
    if match is None:
        sys.exit(f"{page} did not say when it was open")
    return float(match[1])


if __name__ == "__main__":
    main()

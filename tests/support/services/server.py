"""A web server on this machine's loopback, with the faults that servers have."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch


class Handler(SimpleHTTPRequestHandler):
    """Serves files, redirects /moved/ to them and /away/ to a local file, and breaks off within /short/."""

    def do_GET(self) -> None:
        if self.path.startswith("/moved/"):
            self._redirect(self.path.removeprefix("/moved"))
        elif self.path.startswith("/away/"):
            self._redirect("file:///etc/passwd")
        elif self.path.startswith("/short/"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"a w")
        else:
            super().do_GET()

    def _redirect(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Yield the address of a server of the files in a folder; no proxy stands before it."""
    proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
    with (
        patch.dict(os.environ, dict.fromkeys(proxies, "")),
        ThreadingHTTPServer(("127.0.0.1", 0), lambda *args: Handler(*args, directory=str(folder))) as http,
    ):
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()

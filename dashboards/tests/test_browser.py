"""The browser of the other tests, on pages that are slow, broken or empty."""

import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import patch

import browser

# The fields are there at once; two seconds later a script empties them and begins to listen.
SLOW_LOGIN = b"""<form onsubmit="return false"><input name=username><input name=password><button>In</button></form>
<script>setTimeout(() => {
    const form = document.forms[0];
    form.reset();
    form.onsubmit = () => { location.href = `/welcome/${form.username.value}/${form.password.value}`; return false; };
}, 2000)</script>"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(SLOW_LOGIN if self.path == "/login/" else b"in")

    def log_message(self, *_):
        pass


class Login(unittest.TestCase):
    def test_is_tried_again_where_nobody_listened(self):
        server = HTTPServer(("127.0.0.1", 0), Page)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (
            patch.multiple(browser, LOGIN_SECONDS=3, WAIT_SECONDS=30),
            browser.Browser(f"http://127.0.0.1:{server.server_port}", "secret") as window,
        ):
            self.assertTrue(window.driver.current_url.endswith("/welcome/admin/secret"))


if __name__ == "__main__":
    unittest.main()

"""The browser of the other tests, on pages that are slow, broken or empty."""

import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from unittest.mock import patch

import accessibility
import browser

from stack.settings import from_environment

# The fields are there at once; two seconds later a script empties them and begins to listen.
SLOW_LOGIN = b"""<form onsubmit="return false"><input name=username><input name=password><button>In</button></form>
<script>setTimeout(() => {
    const form = document.forms[0];
    form.reset();
    form.onsubmit = () => { location.href = `/welcome/${form.username.value}/${form.password.value}`; return false; };
}, 2000)</script>"""

# A dashboard with one chart, whose query has no rows.
WITHOUT_ROWS = b"""<div data-test="dashboard-component-chart-holder"><span class="header-title">Alerts</span>
<div class="ant-empty">No data</div></div>"""

# A field and a heading as they should be, and grey text on white.
PALE = b"""<!DOCTYPE html><html lang=en><title>Pale</title><main><h1>Pale</h1><input aria-label=name>
<p style="color: #aaa; background: #fff">hard to read</p></main></html>"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        pages = {"/login/": SLOW_LOGIN, "/superset/dashboard/empty": WITHOUT_ROWS, "/pale": PALE}
        self.wfile.write(pages.get(self.path, b"in"))

    def log_message(self, *_):
        pass


class Pages(unittest.TestCase):
    def setUp(self):
        server = HTTPServer(("127.0.0.1", 0), Page)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{server.server_port}"

    def test_login_is_tried_again_where_nobody_listened(self):
        with (
            patch.multiple(browser, LOGIN_SECONDS=3, WAIT_SECONDS=30),
            browser.Browser(self.url, "secret") as window,
        ):
            self.assertTrue(window.driver.current_url.endswith("/welcome/admin/secret"))

    def test_a_chart_without_rows_is_drawn_only_where_charts_may_be_empty(self):
        for may_be_empty, unready in [(False, ["Alerts (No data)"]), (True, [])]:
            with browser.Browser(self.url, "secret", may_be_empty) as window:
                window.driver.get(f"{self.url}/superset/dashboard/empty")
                self.assertEqual(unready, window.unready())

    def test_text_without_contrast_is_found_and_is_not_known(self):
        with browser.Browser(self.url, "secret") as window:
            window.driver.get(f"{self.url}/pale")
            (found,) = accessibility.violations(window, accessibility.axe(from_environment().cache))
            self.assertEqual(
                ("color-contrast", "serious", "p", -1), (found.rule, found.impact, found.selector, found.known)
            )


if __name__ == "__main__":
    unittest.main()

"""A headless Chromium that looks at the dashboard as a person would."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

ADMIN = "admin"
WAIT_SECONDS = 120
# After this time without an answer the login is tried again.
LOGIN_SECONDS = 10
WIDTH, HEIGHT = 1680, 1050
POLL_SECONDS = 0.25
# The element of a chart; what it contains while the chart loads, if it fails, if it has no rows, and once it is drawn.
HOLDERS = "[data-test='dashboard-component-chart-holder']"
LOADING = "[data-test='loading-indicator'], .loading"
BROKEN = ".ant-alert-error, [data-test='error-message'], .missing-chart-container"
EMPTY = ".ant-empty"
DRAWN = "canvas, td"
# Where Superset's front end keeps which theme the user has chosen.
THEME_KEY = "superset-theme-mode"
# Superset's packaged front end asks for this picture, which the content policy blocks.
PIXEL = "apachesuperset.gateway.scarf.sh"


class PageError(Exception):
    """The dashboard does not look as it should, or there is no browser."""


class Browser:
    """One browser window, logged in to the Superset at `url`.

    With `may_be_empty`, a chart without rows counts as drawn, as alerts may be; otherwise as one that shows nothing.
    """

    def __init__(self, url: str, password: str, may_be_empty: bool = False):
        self.url = url
        self._broken, self._drawn = (BROKEN, f"{DRAWN}, {EMPTY}") if may_be_empty else (f"{BROKEN}, {EMPTY}", DRAWN)
        self._profile = tempfile.mkdtemp(prefix="tapewire-browser-")
        self._answered: list[tuple[int, str]] = []
        try:
            self.driver = webdriver.Chrome(options=self._options(), service=_service())
        except (WebDriverException, PageError) as error:
            shutil.rmtree(self._profile, ignore_errors=True)
            if isinstance(error, PageError):
                raise
            raise PageError(f"Chromium does not start: {error.msg}") from None
        try:
            self.driver.set_page_load_timeout(WAIT_SECONDS)
            self.driver.set_script_timeout(WAIT_SECONDS)
            self._log_in(password)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def choose_theme(self, mode: str) -> None:
        """Chooses `default`, the light theme, or `dark`, as in Superset's menu. Pages that are opened then have it."""
        self.driver.execute_script("localStorage.setItem(arguments[0], arguments[1])", THEME_KEY, mode)

    def open(self, slug: str) -> None:
        """Shows a dashboard whole and waits until all its charts are drawn."""
        self.driver.get(f"{self.url}/superset/dashboard/{slug}")
        self.wait("the dashboard", lambda: self.all(HOLDERS))
        # Charts out of sight are not drawn, so make the window as tall as the page.
        self.driver.set_window_size(WIDTH, HEIGHT)
        height = "return Math.max(...[...document.querySelectorAll('*')].map(e => e.scrollHeight))"
        self.wait("the page's height", lambda: self.driver.execute_script(height) > HEIGHT / 2)
        self.driver.set_window_size(WIDTH, self.driver.execute_script(height) + 150)
        self.settle()

    def resize(self, width: int) -> None:
        """Makes the window as wide as this and waits until all charts are drawn again."""
        self.driver.set_window_size(width, self.driver.get_window_size()["height"])
        self.settle()

    def settle(self) -> None:
        """Waits until every chart is drawn and stays so."""
        still = 0
        deadline = time.monotonic() + WAIT_SECONDS
        while still < 6:
            unready = self.unready()
            still = 0 if unready else still + 1
            if unready and time.monotonic() > deadline:
                raise PageError(f"not drawn after {WAIT_SECONDS} s: {', '.join(unready)}")
            time.sleep(POLL_SECONDS)

    def unready(self) -> list[str]:
        """Titles of the charts that load, fail or show nothing."""
        script = """
            const [holders, loading, broken, drawn] = arguments;
            return [...document.querySelectorAll(holders)].filter(holder =>
                holder.querySelector(loading) || holder.querySelector(broken) || !holder.querySelector(drawn)
            ).map(holder => {
                const trouble = holder.querySelector(broken);
                const title = holder.querySelector('[data-test="editable-title"], .header-title')?.innerText ?? '?';
                return trouble ? `${title} (${trouble.innerText.slice(0, 300)})` : title;
            });
        """
        return self.driver.execute_script(script, HOLDERS, LOADING, self._broken, self._drawn)

    def failures(self) -> list[str]:
        """Requests that Superset answered with an error since this browser was started; there must not be any."""
        return [f"{status} {url}" for status, url in self._answers() if self._is_ours(url) and status >= 400]

    def complaints(self) -> list[str]:
        """Errors in the console since this was last asked, such as what the content policy has blocked."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and PIXEL not in entry["message"]
        ]

    def foreign_addresses(self) -> list[str]:
        """Addresses other than Superset's that answered; there must not be any."""
        return [url for _, url in self._answers() if not self._is_ours(url)]

    def _is_ours(self, url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme not in ("http", "https") or parts.netloc == urlsplit(self.url).netloc

    def _answers(self) -> list[tuple[int, str]]:
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.responseReceived":
                response = message["params"]["response"]
                self._answered.append((response["status"], response["url"]))
        return self._answered

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, what: str, condition: Callable[[], object]) -> object:
        """The first true value of `condition`."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                value = condition()
            except WebDriverException:
                value = None
            if value:
                return value
            if time.monotonic() > deadline:
                raise PageError(f"{what}: not there after {WAIT_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))

    def _log_in(self, password: str) -> None:
        """Logs in, as often as it takes: on a busy machine the page shows its fields before it listens to them."""
        self.driver.get(f"{self.url}/login/")

        def inside() -> bool:
            return "/login" not in self.driver.current_url

        def try_once() -> bool:
            for field, text in (("username", ADMIN), ("password", password)):
                found = self.driver.find_element(By.CSS_SELECTOR, f"input[name={field}], #{field}")
                found.clear()
                found.send_keys(text)
            found.send_keys("\n")
            deadline = time.monotonic() + LOGIN_SECONDS
            while not inside() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
            return inside()

        self.wait("the page after login", lambda: inside() or try_once())

    def _options(self) -> webdriver.ChromeOptions:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for argument in (
            "--headless",
            # Inside a container, and as root, Chromium cannot make its own sandbox.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en-US",
            f"--user-data-dir={self._profile}",
            f"--window-size={WIDTH},{HEIGHT}",
            # Whatever a page asks for, only Superset's host is reached.
            f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {urlsplit(self.url).hostname}",
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        return options


def _service() -> webdriver.ChromeService:
    driver = shutil.which("chromedriver")
    if not driver or not shutil.which("chromium"):
        raise PageError("no Chromium here: `apt-get install chromium chromium-driver`")
    return webdriver.ChromeService(driver)

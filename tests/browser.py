"""A real browser for the tests: Debian's chromium, headless, by playwright; what goes wrong in a page is counted."""

import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium():
    """The browser, one for the whole run; skips where there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("no browser: the package playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no browser: chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page of the browser, with what it asked the network for and what its console said."""

    def __init__(self, context):
        self.page = context.new_page()
        self.requests, self.complaints = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self._heard(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, kind, text):
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def open(self, path):
        """Open a file and wait for the view in it."""
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(".ew-view")
        return self.page

    def went_out(self):
        """The requests that left the machine's own files."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture
def tab(chromium):
    """A fresh tab; the test fails if its console complains or a request leaves the page."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    opened = Tab(context)
    yield opened
    context.close()
    assert opened.complaints == []
    assert opened.went_out() == []

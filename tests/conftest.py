"""What all tests share: how Hypothesis draws, and a browser.

Continuous integration draws the same examples every time, so that a change is judged by what it changed; at home new
ones are drawn at every run, and what they find becomes a test.
"""

import os

from hypothesis import settings

from browser import chromium, tab  # noqa: F401 - fixtures

settings.register_profile("home", deadline=None, max_examples=60)
settings.register_profile("ci", settings.get_profile("home"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")

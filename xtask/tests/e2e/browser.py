"""A headless Chromium of the system's."""

import shutil
import sys

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service


def start(*flags):
    options = Options()
    # Not the sandbox, which root cannot have; what is opened is ours.
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", *flags):
        options.add_argument(f"--{flag}")
    options.binary_location = program("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=Service(program("chromedriver")))


def told(browser, look):
    """Let `look` look, print what it finds wrong, close the browser, and give the exit status."""
    try:
        wrong = list(look(browser))
    finally:
        browser.quit()
    print("\n".join(wrong))
    return 1 if wrong else 0


def program(name):
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} is not on PATH: it is a package chromium or chromium-driver")
    return path

"""Opens a report in a headless Chromium and looks at it as its readers do.

    browse_report.py REPORT NOTEBOOKS PICTURES [SCREENSHOTS]

Every notebook is opened by its link, every picture has to be drawn, nothing may be fetched, logged
or overflow the page, and axe may find nothing, in light and in dark. NOTEBOOKS and PICTURES say how
many there have to be. With SCREENSHOTS, a folder, pictures of the page are left there.
"""

import json
import sys
from importlib.resources import files
from pathlib import Path

from browser import start, told
from selenium.webdriver.common.by import By


def requests(browser):
    """The addresses that were asked for, without the pictures in the page itself."""
    events = [json.loads(it["message"])["message"] for it in browser.get_log("performance")]
    sent = [it for it in events if it["method"] == "Network.requestWillBeSent"]
    urls = [it["params"]["request"]["url"] for it in sent]
    return [it for it in urls if not it.startswith("data:")]


def set_open(browser, whether):
    script = "document.querySelectorAll('details').forEach(it => it.open = arguments[0])"
    browser.execute_script(script, whether)


def open_notebooks(browser, expected):
    """Follow each notebook's link; give what is wrong with the place that it leads to."""
    links = browser.find_elements(By.CSS_SELECTOR, "nav li li a")
    if len(links) != expected:
        yield f"{len(links)} links to notebooks, and not {expected}"
    for link in links:
        anchor = link.get_attribute("href").partition("#")[2]
        set_open(browser, False)
        link.click()
        inside = browser.find_element(By.ID, anchor)
        if not inside.is_displayed():
            yield f"{anchor}: the link does not open it"
            continue
        top = browser.execute_script("return arguments[0].getBoundingClientRect().top", inside)
        if not 0 <= top < browser.execute_script("return innerHeight"):
            yield f"{anchor}: the link does not lead there, but {top} above it"
        if not inside.find_elements(By.CSS_SELECTOR, ".cell, .text"):
            yield f"{anchor}: no cells"


def look_at_pictures(browser, expected):
    pictures = browser.find_elements(By.TAG_NAME, "img")
    if len(pictures) < expected:
        yield f"{len(pictures)} pictures, and not {expected}"
    for it in pictures:
        if not it.is_displayed() or not it.get_property("naturalWidth"):
            yield f"not visible: {it.get_attribute('alt')}"
        if not it.get_attribute("alt"):
            yield "a picture has no text"


def check_accessibility(browser, scheme):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    browser.execute_script(axe)
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    if len(found["passes"]) < 10:
        yield f"axe looked at {len(found['passes'])} rules only"
    for it in found["violations"]:
        for node in it["nodes"]:
            yield f"{scheme}: {it['id']} ({it['impact']}): {it['help']}: {node['html'][:200]}"


def check_width(browser, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page = browser.execute_script("return document.documentElement.scrollWidth")
    if page > width:
        yield f"at a width of {width} the page is {page} wide"


def keep(browser, folder, name):
    if folder is not None:
        height = browser.execute_script("return document.documentElement.scrollHeight")
        metrics = {"width": 1280, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def look(browser, report, notebooks, pictures, folder):
    address = Path(report).resolve().as_uri()
    browser.get(address)
    keep(browser, folder, "closed")
    yield from check_width(browser, 1280)
    yield from open_notebooks(browser, notebooks)
    set_open(browser, True)
    yield from look_at_pictures(browser, pictures)
    for width in (1280, 400):
        yield from check_width(browser, width)
    fetched = [it for it in requests(browser) if it.partition("#")[0] != address]
    yield from (f"fetched: {it}" for it in fetched)
    yield from (f"logged: {it['message']}" for it in browser.get_log("browser"))
    for scheme in ("light", "dark"):
        yield from check_accessibility(browser, scheme)
        keep(browser, folder, scheme)


def main(report, notebooks, pictures, folder=None):
    browser = start("window-size=1280,900")
    return told(browser, lambda it: look(it, report, int(notebooks), int(pictures), folder))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

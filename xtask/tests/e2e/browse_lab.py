"""Works in JupyterLab as a person does, in a headless Chromium.

    browse_lab.py ADDRESS NOTEBOOK SCREENSHOTS KERNEL...

The launcher has to offer exactly the kernels named, by the names that it shows. NOTEBOOK, a file of
the server's for the first of them, is opened, all its cells are run, and it is saved; what it says
then is for the caller to read. Pictures of both are left in the folder SCREENSHOTS.
"""

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from browser import start, told
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions as until
from selenium.webdriver.support.wait import WebDriverWait

LIMIT = 120  # seconds for whatever the server does


def kernels(browser):
    """The names on the launcher's cards for notebooks."""
    cards = (By.CSS_SELECTOR, ".jp-LauncherCard[data-category=Notebook] .jp-LauncherCard-label")
    WebDriverWait(browser, LIMIT).until(until.visibility_of_all_elements_located(cards))
    return sorted(it.text for it in browser.find_elements(*cards))


def run_all_cells(browser, kernel):
    # What is asked of a kernel that is still starting may be lost.
    idle = f"//*[text()='{kernel} | Idle']"
    WebDriverWait(browser, LIMIT).until(until.presence_of_element_located((By.XPATH, idle)))
    click(browser, "//div[contains(@class, 'lm-MenuBar-itemLabel')][text()='Run']")
    click(browser, "//li[@data-command='runmenu:run-all']")
    WebDriverWait(browser, LIMIT).until(have_run, "not all cells have run")


def click(browser, path):
    WebDriverWait(browser, LIMIT).until(until.element_to_be_clickable((By.XPATH, path))).click()


def have_run(browser):
    prompts = browser.find_elements(By.CSS_SELECTOR, ".jp-CodeCell .jp-InputPrompt")
    return prompts and all(re.fullmatch(r"\[\d+\]:", it.text) for it in prompts)


def save(browser):
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    unsaved = (By.CSS_SELECTOR, ".lm-TabBar-tab.jp-mod-dirty")
    WebDriverWait(browser, LIMIT).until_not(until.presence_of_element_located(unsaved))


def look(browser, address, notebook, folder, expected):
    browser.get(address)
    found = kernels(browser)
    browser.save_screenshot(str(folder / "launcher.png"))
    if found != sorted(expected):
        yield f"the launcher offers {found}, and not {expected}"
    parts = urlsplit(address)
    browser.get(f"{parts.scheme}://{parts.netloc}/lab/tree/{notebook}")
    try:
        run_all_cells(browser, expected[0])
        save(browser)
    finally:
        browser.save_screenshot(str(folder / "notebook.png"))


def main(address, notebook, folder, *expected):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    browser = start("window-size=1280,2400")
    return told(browser, lambda it: look(it, address, notebook, folder, expected))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""The standard tests of every environment of the image."""

from platform_env.environments import paths
from platform_env.testing.environment_tests import has_tests, test_environments
from platform_env.testing.plan import Plan
from platform_env.testing.results import Report, Result


def test_all(plan: Plan, report: Report) -> None:
    """Tests existing environments, and reports missing ones."""
    whole = []
    for environment in filter(plan.wants_any, _names()):
        problem = _missing(environment)
        if problem:
            report.add(Result(environment, "tests", "environment", problem))
        else:
            whole.append(environment)
    if has_tests("base"):
        whole.append("base")
    if not (whole or report.results or plan.is_selection()):
        message = f"nothing to test: {paths.ENVIRONMENTS} has no environment with tests"
        command = ("test-environments",)
        report.add(Result("", "tests", "environments", message, command=command))
    test_environments(whole, plan, report)


def _names() -> list[str]:
    """Returns every environment that is installed or has a folder."""
    folders = [entry.name for entry in paths.ENVIRONMENTS.iterdir() if entry.is_dir()]
    return sorted({*folders, *paths.environments()} - {"base"})


def _missing(environment: str) -> str:
    """Returns the reason why an environment cannot be tested at all."""
    folder = paths.spec_folder(environment)
    if not paths.exists(environment):
        where = paths.prefix(environment)
        return f"{folder} is there, but no environment {where}: no step creates it, or it failed"
    if not folder.is_dir():
        return f"it has no folder {folder}: add one, with tests"
    return ""

"""`python -m aerial_depth_pipeline`: `kedro run` of the packaged project."""

from typing import Any

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project

from aerial_depth_pipeline import interruption


def main(*arguments: Any, **options: Any) -> Any:
    """Run pipelines; takes the options of `kedro run`."""
    interruption.guard()
    package = str(__package__)
    configure_project(package)
    return find_run_command(package)(*arguments, **options)


if __name__ == "__main__":
    main()

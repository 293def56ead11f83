"""``python packaging/requirement.py``: what to install to build the bundle, a line each.

The project's dependencies, but those that stay out of the bundle, and the tools that build it.
"""

from __future__ import annotations

import tomllib

from contents import IMPORT_NAMES
from project import ROOT, distribution_name


def requirements() -> list[str]:
    """As pip takes them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        table = tomllib.load(file)
    wanted: list[str] = table["project"]["dependencies"]
    kept = [each for each in wanted if IMPORT_NAMES[distribution_name(each)]]
    return [*kept, *table["dependency-groups"]["bundle"]]


if __name__ == "__main__":
    print("\n".join(requirements()))

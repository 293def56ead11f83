"""``python -m desktop [FILES]`` is the app; in the bundle it is the other commands too."""

from __future__ import annotations

import sys
from collections.abc import Sequence

_SELF_TEST = "--self-test"
ENGINE = "--engine"
"""Before a command of ``urvc``: the bundle has one program only."""


def main(arguments: Sequence[str]) -> int:
    """Run the app, or what the first argument names; the exit code."""
    from engine.device import prepare_environment
    from engine.lean_torch import import_torch_lean

    prepare_environment()
    import_torch_lean()
    if arguments[:1] == [_SELF_TEST]:
        from engine.measure.self_test import main as examine

        return examine(("engine", "desktop"))
    if arguments[:1] == [ENGINE]:
        from engine.cli import main as command

        return command(arguments[1:])
    from desktop.app import main as run

    return run([sys.argv[0], *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

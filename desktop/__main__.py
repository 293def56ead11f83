"""``python -m desktop [FILES]`` is the app; in the bundle it is the other commands too."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

_SELF_TEST = "--self-test"
ENGINE = "--engine"
"""Before a command of ``urvc``: the bundle has one program only."""

_REFUSED = 2
_NO_DISPLAY = (
    "urvc: Cannot open the window: there is no display here; start it on a desktop, or convert "
    "without a window by ./urvc-macos.sh convert FILE."
)


def has_display(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a window can be opened here; Qt would end the program without a word of ours."""
    named = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(environment.get(name) for name in named)


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
    if not has_display():
        sys.stderr.write(f"{_NO_DISPLAY}\n")
        return _REFUSED
    from desktop.app import main as run

    return run([sys.argv[0], *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The process that `engine.measure.tuning.child` asks: one line of JSON in, lines of JSON out."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from engine.device import prepare_environment
from engine.errors import UserError


def main() -> int:
    """Do the work that the first line of stdin names; ends when stdin does."""
    prepare_environment()
    work = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_asker, daemon=True).start()
    from engine.measure.tuning import trial

    does = {
        "machine": trial.machine,
        "synthetic": trial.synthetic,
        "examine": trial.examine,
        "reference": trial.reference,
        "check": trial.check,
        "trial": trial.trial,
    }[work["do"]]
    try:
        _tell({"done": does(work, _tell)})
    except UserError as error:
        _tell({"refused": [each.to_record() for each in (error.what, error.why, error.advice)]})
    return 0


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _end_with_the_asker() -> None:
    """Whoever asked is gone when stdin ends; nobody waits for the answer."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())

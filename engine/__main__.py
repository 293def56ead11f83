"""``python -m engine`` is ``urvc``."""

import sys

from engine.cli import main

sys.exit(main())

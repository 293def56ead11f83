"""``python -m desktop [FILES]`` is the app."""

import sys

from desktop.app import main

sys.exit(main())

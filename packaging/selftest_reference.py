"""``python packaging/selftest_reference.py``: store what `--self-test` compares with.

To be run after the starter voice, its encoder, its index or the sample were changed on purpose.
"""

from __future__ import annotations

import sys

from project import ROOT

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from engine.measure.self_test import RESULT, main, store_result

    store_result()
    print(f"stored in {RESULT.parent.relative_to(ROOT)}")
    sys.exit(main())

"""Measures on this machine which flags pay, and keeps those.

    from engine.measure.tuning import TuningJob, tune

    tuning = tune(TuningJob(seconds=10))

Everything that touches a device runs in processes of its own; torch is not loaded in this one.
"""

from __future__ import annotations

from engine.measure.tuning.figure import Figure, Tuning, TuningProgress
from engine.measure.tuning.job import TuningJob
from engine.measure.tuning.record import TuningRecord
from engine.measure.tuning.tuner import tune

__all__ = ["Figure", "Tuning", "TuningJob", "TuningProgress", "TuningRecord", "tune"]

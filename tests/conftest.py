"""What every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"

# A deadline per example measures the machine, not the code; the same examples on every run.
settings.register_profile("logkit", deadline=None, derandomize=True)
settings.load_profile("logkit")


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real logs and cases; where it is absent the test is skipped."""
    if not CORPUS.is_dir():
        pytest.skip(f"needs the log corpus at {CORPUS.name}/ beside the checkout, which is not there")
    return CORPUS

"""How well and how fast message templates are found: `python -m tests.bench.patterns`.

Grouping accuracy is the share of lines whose group is exactly the true group of the corpus's labels (J. Zhu et al.,
"Tools and benchmarks for automated log parsing", ICSE-SEIP 2019). Speed is that of one core, from messages to each
message's template, over each system's messages repeated with other digits. One set of settings, the default, for all.
"""

from __future__ import annotations

import argparse
import os
import random
import string
import subprocess
import sys
import time
from pathlib import Path

import polars as pl

from logkit.stats.clusters import templates
from logkit.stats.masks import mask

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "templates"
REPEAT = 60
GOALS = {"accuracy": 0.93, "lines_per_second": 0.5e6}


def template_of_each(messages: pl.Series) -> pl.Series:
    """The template of each message."""
    masked = mask(messages)
    found = templates(masked.texts)
    return masked.each(pl.Series([found[text] for text in masked.texts], dtype=pl.String))


def accuracy(found: pl.Series, true: pl.Series) -> float:
    """The share of rows whose group in `found` has exactly the rows of their group in `true`."""
    both = pl.DataFrame({"found": found, "true": true})
    of_found = both.group_by("found").agg(
        pl.len().alias("size"), pl.col("true").n_unique().alias("mixed"), pl.first("true")
    )
    of_true = both.group_by("true").agg(pl.len().alias("whole"))
    exact = of_found.join(of_true, on="true").filter(mixed=1).filter(pl.col("size") == pl.col("whole"))
    return float(exact["size"].sum()) / max(both.height, 1)


def systems(folder: Path = CORPUS) -> dict[str, pl.DataFrame]:
    """The labelled messages of each system: the columns Content and EventTemplate among others."""
    paths = sorted(folder.glob("*_structured_corrected.csv"))
    return {path.name.split("__")[-1].split("_")[0]: pl.read_csv(path, infer_schema=False) for path in paths}


def _repeated(messages: pl.Series) -> pl.Series:
    """The messages many times over, each time with other digits: they repeat no more than they did."""
    rng, digits = random.Random(1), list(string.digits)
    parts = [messages.str.replace_many(digits, rng.sample(digits, 10)) for _ in range(REPEAT)]
    return pl.concat(parts, rechunk=True)


def main() -> None:
    """Print a line per system, and the averages."""
    if os.environ.get("POLARS_MAX_THREADS") != "1":
        # Polars makes its threads when it is first loaded, so one core needs a process of its own.
        command = [sys.executable, "-m", "tests.bench.patterns", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | {"POLARS_MAX_THREADS": "1"}, check=False).returncode)
    parser = argparse.ArgumentParser(prog="python -m tests.bench.patterns", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="a folder of *_structured_corrected.csv")
    labelled = systems(parser.parse_args().corpus)
    if not labelled:
        print("skipped: needs labelled logs in shared/corpus/templates beside the checkout, which are not there")
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"{'system':12}{'lines':>8}{'templates':>11}{'labelled':>10}{'accuracy':>10}{'M lines/s':>11}")
    accuracies, lines, seconds = [], 0, 0.0
    for name, frame in labelled.items():
        found = template_of_each(frame["Content"])
        accuracies.append(accuracy(found, frame["EventTemplate"]))
        many = _repeated(frame["Content"])
        start = time.perf_counter()
        template_of_each(many)
        took = time.perf_counter() - start
        lines, seconds = lines + len(many), seconds + took
        counts = f"{frame.height:8,}{found.n_unique():11}{frame['EventTemplate'].n_unique():10}"
        print(f"{name:12}{counts}{accuracies[-1]:10.3f}{len(many) / took / 1e6:11.2f}")
    mean = sum(accuracies) / len(accuracies)
    print(f"{'average':12}{'':29}{mean:10.3f}{lines / seconds / 1e6:11.2f}")
    print(f"{'goal':12}{'':29}{GOALS['accuracy']:10.3f}{GOALS['lines_per_second'] / 1e6:11.2f}")


if __name__ == "__main__":
    main()

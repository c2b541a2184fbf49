"""Faults planted on purpose in a table, so that what the gate finds can be counted; python
tests/planted_tables.py titanic german --seeds 1 2 3"""

import argparse
import json
import random
from itertools import combinations

import numpy as np
import pandas as pd
from planted import SHARES, personal

from ftkit.data.dataset import Data
from ftkit.quality.gate import check
from ftkit.reading.rows import read_table
from ftkit.samples.catalogue import fetch_sample


def near_row(row: dict, numbers: list[str], words: list[str], rng) -> dict:
    "One cell another: a number by up to a tenth, a category in other letters or another one's."
    c = str(rng.choice(numbers + words))
    if c in numbers:
        value = float(row[c] or 1)
        changed = value * (1 + rng.choice([-1, 1]) * rng.uniform(0.01, 0.1)) + (value == 0)
        return row | {c: f"{changed:.4g}"}
    return row | {c: row[c].upper() if rng.integers(2) else f" {row[c]} "}


def plant(sample: str, seed: int) -> tuple[pd.DataFrame, dict]:
    "A table as a CSV has it, and for each fault the rows or pairs of rows that have it."
    table = read_table(fetch_sample(sample) / "table.csv")
    data, label = Data.tabular(f"sample:{sample}"), str(table.columns[-1])
    numbers, words = data.items.of("number"), data.items.of("category")
    rng, n, classes = np.random.default_rng([seed, 12]), len(table), data.task.classes
    rows = [
        r
        | {
            "remark": "",
            "split": str(rng.choice(["train", "valid", "test"], p=[0.7, 0.15, 0.15])),
        }
        for r in table.to_dict("records")
    ]
    order, start, take = rng.permutation(n), 0, {}
    for fault, share in SHARES.items():
        take[fault] = order[start : start + int(share * n)]
        start += int(share * n)
    truth = {k: [] for k in SHARES}
    for fault in ("exact", "near", "across"):
        for i in take[fault]:
            new = (
                near_row(rows[i], numbers, words, rng)
                if fault == "near" or fault == "across" and rng.integers(2)
                else dict(rows[i])
            )
            if fault == "across":
                new["split"] = str(
                    rng.choice([p for p in ("train", "valid", "test") if p != rows[i]["split"]])
                )
            truth[fault].append((int(i), len(rows)))
            rows.append(new)
    for i in take["flipped"]:
        rows[i][label] = str(rng.choice([c for c in classes if c != rows[i][label]]))
        truth["flipped"].append(int(i))
    for i in take["outlier"]:
        c = str(rng.choice(numbers))
        rows[i][c] = f"{(float(rows[i][c] or 1) + 1) * rng.uniform(1e3, 1e4):.0f}"
        truth["outlier"].append(int(i))
    for i in take["personal"]:
        rows[i]["remark"] = personal(rng)
        truth["personal"].append(int(i))
    for i in take["broken"]:
        rows[i][str(rng.choice(numbers))] = str(rng.choice(["unknown", "see file", "12-15"]))
        truth["broken"].append(int(i))
    return pd.DataFrame(rows), truth


def measured(sample: str, seed: int) -> dict:
    "Recall, precision and number planted, of each fault."
    table, truth = plant(sample, seed)
    label = str(table.columns[-3])
    data = Data.tabular(table, label=label, split="split", columns={"remark": "text"})
    found = check(data)

    def pairs(*names):
        return {
            p for f in found.findings if f.what in names for p in combinations(sorted(f.rows), 2)
        }

    def of(*names):
        return {i for f in found.findings if f.what in names for i in f.rows}

    def rate(planted, seen):
        return (
            round(len(set(planted) & set(seen)) / max(1, len(planted)), 3),
            round(len(set(planted) & set(seen)) / max(1, len(seen)), 3),
            len(planted),
        )

    same = data.hashes  # equal once spaces around words are gone
    copies = [p for f in ("exact", "near", "across") for p in truth[f]]
    equal = [p for p in copies if same[p[0]] == same[p[1]]]
    # the last where a third copy has another label; that the sample has equal rows of its own is no
    # mistake of the gate
    found_equal = pairs("exact copies", "equal rows") | {
        p for p in pairs("copies that disagree") if same[p[0]] == same[p[1]]
    }
    close = [p for p in copies if same[p[0]] != same[p[1]]]
    return {
        "exact": rate(
            equal, found_equal & ({*equal} | {p for p in found_equal if same[p[0]] != same[p[1]]})
        ),
        "near": rate(
            close,
            {
                p
                for p in pairs("near-duplicates", "copies that disagree")
                if same[p[0]] != same[p[1]]
            },
        ),
        "flipped": rate(truth["flipped"], of("suspected label")),
        "outlier": rate(truth["outlier"], of("far number")),
        "broken cells": rate(truth["broken"], of("mixed column")),
        "personal": rate(truth["personal"], of("personal data")),
    }


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("samples", nargs="*", default=["titanic", "german"])
    ask.add_argument(
        "--seeds", type=int, nargs="*", default=[random.randrange(10**6) for _ in range(3)]
    )
    args = ask.parse_args()
    for sample in args.samples:
        for seed in args.seeds:
            print(sample, seed, json.dumps(measured(sample, seed)), flush=True)

"""Models of tables side by side on the same folds: python bench/tables.py [titanic german penguins
diabetes] [--other PYTHON]

ftkit chooses within each training part by folds of its own (compare_models), so its figure is
that of the whole procedure, choice included. scikit-learn's HistGradientBoosting as it comes;
with --other, LightGBM and AutoGluon as they come, in an environment that has them. Accuracy
(RMSE for diabetes) is the mean over folds, ± its standard error; seconds are of one fold, on two
cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd


def boosting(train: pd.DataFrame, test: pd.DataFrame, label: str, number: bool):
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    return (
        (HistGradientBoostingRegressor if number else HistGradientBoostingClassifier)(
            random_state=0
        )
        .fit(train.drop(columns=label), train[label])
        .predict(test.drop(columns=label))
    )


def lightgbm(train, test, label, number):
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (
        (LGBMRegressor if number else LGBMClassifier)(verbose=-1, random_state=0)
        .fit(train.drop(columns=label), train[label])
        .predict(test.drop(columns=label))
    )


def autogluon(train, test, label, number):
    from autogluon.tabular import TabularPredictor

    with tempfile.TemporaryDirectory() as d:
        return (
            TabularPredictor(label, path=d, verbosity=0)
            .fit(train)
            .predict(test.drop(columns=label))
        )


def typed(table: pd.DataFrame, label: str) -> pd.DataFrame:
    return table.assign(
        **{
            c: table[c].astype("category")
            for c in table.columns
            if c != label and table[c].dtype.kind not in "fib"
        }
    )


def others(folder: str) -> None:
    "In the other environment: every fold there is in the folder."
    for name in ("lightgbm", "autogluon"):
        try:
            __import__("lightgbm" if name == "lightgbm" else "autogluon.tabular")
        except ImportError:
            continue
        for train in sorted(Path(folder).glob("*-train.parquet")):
            a, b = pd.read_parquet(train), pd.read_parquet(str(train).replace("-train", "-test"))
            label = a.columns[-1]
            started = time.perf_counter()
            said = globals()[name](
                typed(a, label), typed(b, label), label, a[label].dtype.kind == "f"
            )
            print(
                json.dumps(
                    {
                        "fold": train.name.removesuffix("-train.parquet"),
                        "name": name,
                        "said": np.asarray(said).tolist(),
                        "seconds": time.perf_counter() - started,
                    }
                ),
                flush=True,
            )


def main() -> None:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("samples", nargs="*", default=["titanic", "german", "penguins", "diabetes"])
    ask.add_argument(
        "--other", help="the python of an environment with lightgbm or autogluon.tabular"
    )
    args = ask.parse_args()
    from ftkit import Data, compare_models, fit_model
    from ftkit.evaluation.comparison import model_names

    found = {}
    with tempfile.TemporaryDirectory() as d:
        for sample in args.samples:
            data = Data.tabular(f"sample:{sample}", test=0, valid=0)
            number, label = data.task.kind == "regression", data.task.target
            table = data.items.frame.assign(
                **{
                    label: (
                        data.labels.astype(float)
                        if number
                        else [data.label_text(i) for i in range(len(data))]
                    )
                }
            )
            for k, fold in enumerate(data.folds(5, valid=0)):
                train, test = table.iloc[fold.train.ids], table.iloc[fold.test.ids]
                train.to_parquet(f"{d}/{sample}-{k}-train.parquet")
                test.to_parquet(f"{d}/{sample}-{k}-test.parquet")

                def score(predicted, truth=test[label].to_numpy(), number=number):
                    if number:
                        return float(np.sqrt(((np.asarray(predicted) - truth) ** 2).mean()))
                    return float((np.asarray(predicted) == truth).mean())

                def note(name, value, seconds, sample=sample):
                    found.setdefault((sample, name), []).append((value, seconds))

                # nothing computed before may help
                os.environ["FTKIT_CACHE"] = tempfile.mkdtemp(dir=d)
                a = Data.tabular(train, label=label, test=0, kind=data.task.kind)
                started = time.perf_counter()
                compared = compare_models(
                    a, [m for m in model_names("tabular") if m != "feature_tokenizer"]
                )
                choosing = time.perf_counter() - started
                for name, which in (
                    ("ftkit, chosen", compared.chosen),
                    ("ftkit, best", compared.best),
                ):
                    started = time.perf_counter()
                    p = (m := fit_model(which, a)).predict(m.read(test.drop(columns=label)))
                    note(
                        name,
                        score(p if number else np.array(m.task.classes)[p.argmax(1)]),
                        choosing + time.perf_counter() - started,
                    )
                started = time.perf_counter()
                said = boosting(typed(train, label), typed(test, label), label, number)
                note("HistGradientBoosting", score(said), time.perf_counter() - started)
            print(
                sample,
                {
                    n: round(float(np.mean([v for v, _ in r])), 4)
                    for (s, n), r in found.items()
                    if s == sample
                },
                file=sys.stderr,
                flush=True,
            )
        if args.other:
            done = subprocess.run(
                [args.other, __file__, "--folder", d], capture_output=True, text=True
            )
            if done.returncode:
                print(done.stderr[-2000:], file=sys.stderr)
            for line in map(
                json.loads, filter(lambda x: x.startswith("{"), done.stdout.splitlines())
            ):
                test = pd.read_parquet(f"{d}/{line['fold']}-test.parquet")
                truth, said = test.iloc[:, -1].to_numpy(), np.array(line["said"])
                value = (
                    float(np.sqrt(((said - truth) ** 2).mean()))
                    if truth.dtype.kind == "f"
                    else float((said == truth).mean())
                )
                found.setdefault((line["fold"].rpartition("-")[0], line["name"]), []).append(
                    (value, line["seconds"])
                )
    for sample in args.samples:
        print(f"\n{sample}")
        for (s, name), rows in found.items():
            values = [v for v, _ in rows]
            if s == sample:
                print(
                    f"  {name:<22} {np.mean(values):8.4f} ±"
                    f" {np.std(values, ddof=1) / np.sqrt(len(values)):.4f}  "
                    f" {np.median([t for _, t in rows]):7.2f} s a fold"
                )


if __name__ == "__main__":
    if "--folder" in sys.argv:
        others(sys.argv[sys.argv.index("--folder") + 1])
    else:
        main()

"""Ranking of backbones against full fine-tunes: python bench/ranking.py tune [SET…] --out FILE, then
python bench/ranking.py rank --out FILE

`tune` fine-tunes each backbone on each set as the recipe has it (no augmentation) and writes the
accuracy on the test rows, a JSON object a line; it goes on where it ended. `rank` ranks the same
backbones by training and validation rows only, and gives Spearman's and Kendall's rank correlation
with these accuracies, for several scores.
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

SETS = {  # many test rows, so that the truth is sharp, and few to learn from, as those have who ask
    "digits": ("image", dict(valid=0.08, test=0.7), {}),
    "stamps": ("image", dict(valid=0.1, test=0.4), dict(size=96)),
    "movie": ("text", dict(limit=2400, valid=0.08, test=0.62), {}),
    "intents": ("text", dict(valid=0.08, test=0.62), {}),
    "reviews-zh": ("text", dict(limit=2400, valid=0.08, test=0.62), {}),
}
# chosen before anything was measured, as TEXT
IMAGE = ["efficientnet_lite0", "efficientnet_lite2", "mobilenet_v2", "untrained:resnet18"]
TEXT = [
    "all-MiniLM-L6-v2",
    "multilingual-e5-small",
    "static:all-MiniLM-L6-v2",
    "static:multilingual-e5-small",
]
# added when four of the five turned out to be alike on pictures
MORE = ["efficientnet_lite1", "untrained:tf_efficientnet_lite0"]
BODIES = {  # the fifth is the backbone of an earlier run, on other data
    "digits": [*IMAGE, "run:stamps/efficientnet_lite0", *MORE],
    "stamps": [*IMAGE, "run:digits/efficientnet_lite0", *MORE],
    "movie": [*TEXT, "run:amazon/all-MiniLM-L6-v2"],
    "intents": [*TEXT, "run:movie/all-MiniLM-L6-v2"],
    "reviews-zh": [*TEXT, "run:movie/multilingual-e5-small"],
}


def read(name: str):
    from ftkit import Data

    modality, options, _ = SETS.get(name) or SETS["movie"]
    return getattr(Data, modality)(f"sample:{name}", seed=0, **options)


def backbone(name: str, folder: Path):
    from ftkit.models.backbone import load_backbone

    if name.startswith("untrained:"):
        import torch

        torch.manual_seed(0)
        return load_backbone(name.partition(":")[2], pretrained=False)
    if not name.startswith("run:"):
        return load_backbone(name)
    data, _, own = name.removeprefix("run:").partition("/")
    there = folder / f"{data}-{own.replace(':', '-')}"
    if not there.exists():
        tune(data, own, folder)
    return load_backbone(str(there))


def tune(data_name: str, body_name: str, folder: Path, seed: int = 0) -> dict:
    "One fine-tuning; its model stays in the folder, for others to start from."
    from ftkit import Model, Trainer

    data = read(data_name)
    net = backbone(body_name, folder)
    model = Model(net, data.task, seed=seed, **(SETS.get(data_name) or SETS["movie"])[2])
    started = time.perf_counter()
    fit = Trainer(model, data, record=False, seed=seed).fit()
    seconds, p = time.perf_counter() - started, model.predict(data.test)
    kept = folder / f"{data_name}-{body_name.replace(':', '-')}"
    if (
        body_name in ("efficientnet_lite0", "all-MiniLM-L6-v2", "multilingual-e5-small")
        and not kept.exists()
    ):
        model.save(kept)
    return {
        "set": data_name,
        "backbone": body_name,
        "seed": seed,
        "accuracy": float((p.argmax(1) == data.test.labels).mean()),
        "train": len(data.train),
        "test": len(data.test),
        "seconds": round(seconds, 1),
        "fit": fit.seconds,
    }


def even(f: np.ndarray) -> np.ndarray:
    f = np.asarray(f, np.float64) - np.mean(f, 0, dtype=np.float64)
    return f / np.sqrt(np.square(f).mean())


def logistic(f, y) -> tuple[float, float]:
    "Accuracy and log loss of logistic regression (C = 1), five folds."
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    f, p = even(f), np.zeros((len(y), y.max() + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for a, b in StratifiedKFold(5, shuffle=True, random_state=0).split(f, y):
            m = LogisticRegression(max_iter=200).fit(f[a], y[a])
            p[np.ix_(b, m.classes_)] = m.predict_proba(f[b])
    return float((p.argmax(1) == y).mean()), float(
        np.log(p[np.arange(len(y)), y].clip(1e-6)).mean()
    )


def logme(f, y) -> float:
    "Log evidence of a Bayesian linear model for each class (You et al. 2021, arXiv:2102.11005)."
    f, out = even(f), []
    n, d = f.shape
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    s = s * s
    for k in range(y.max() + 1):
        t = (y == k).astype(float)
        z, a, b = np.square(u.T @ t), 1.0, 1.0
        rest = max(np.square(t).sum() - z.sum(), 0)
        for _ in range(50):
            r = a / b
            known, m = (s / (s + r)).sum(), (s * z / np.square(s + r)).sum()
            left = (z / np.square(1 + s / r)).sum() + rest
            a, b = known / (m + 1e-10), (n - known) / (left + 1e-10)
            if abs(a / b - r) < 1e-3 * r:
                break
        out.append(
            (
                d / 2 * np.log(a)
                + n / 2 * np.log(b)
                - 0.5 * (np.log(a + b * s).sum() + (d - len(s)) * np.log(a))
                - b / 2 * left
                - a / 2 * m
                - n / 2 * np.log(2 * np.pi)
            )
            / n
        )
    return float(np.mean(out))


def h_score(f, y) -> float:
    "Spread between classes over spread of all, shrunk (Bao et al. 2019; Ibrahim et al. 2021)."
    from sklearn.covariance import LedoitWolf

    f = even(f)
    c, g = LedoitWolf().fit(f), np.stack([f[y == k].mean(0) for k in y])
    return float(np.trace(np.linalg.pinv(c.covariance_) @ np.cov(g.T)) * (1 - c.shrinkage_))


def nleep(f, y) -> float:
    "LEEP on a mixture of Gaussians (Li et al. 2021, arXiv:2011.11200)."
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    f, k = PCA(min(64, len(f) // 4, f.shape[1]), random_state=0).fit_transform(even(f)), y.max() + 1
    p = (
        GaussianMixture(
            min(5 * k, len(y) // 5), covariance_type="diag", random_state=0, reg_covar=1e-3
        )
        .fit(f)
        .predict_proba(f)
    )
    joint = np.eye(k)[y].T @ p / len(y)
    return float(np.log((p @ (joint / joint.sum(0)).T)[np.arange(len(y)), y].clip(1e-9)).mean())


def rank(name: str, tuned: list[dict], folder: Path, minutes: float, most: int) -> dict:
    """One set: the ranking, its time with an empty cache, and its agreement with the fine-tunes,
    beside other scores."""
    from scipy.stats import kendalltau, spearmanr
    from threadpoolctl import threadpool_limits

    from ftkit import Model
    from ftkit.evaluation.ranking import ROWS, _some, rank_backbones
    from ftkit.models.features import features

    data, truth, prep = (
        read(name),
        {
            b: float(np.mean(a))
            for b in BODIES[name][:most]
            if (a := [r["accuracy"] for r in tuned if (r["set"], r["backbone"]) == (name, b)])
        },
        SETS[name][2],
    )
    backbones = {b: backbone(b, folder) for b in truth}
    for b, net in backbones.items():
        net.name = b
    usual = os.environ.get("FTKIT_CACHE")
    with (
        tempfile.TemporaryDirectory() as d
    ):  # nothing computed before may help, but for what was fetched
        from ftkit.core import cache_folder

        Path(d, "samples").symlink_to(cache_folder("samples").resolve())
        os.environ["FTKIT_CACHE"] = d
        data = read(name)
        started, cpu = time.perf_counter(), time.process_time()
        found = rank_backbones(data, list(backbones.values()), tune=minutes, **prep)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        started = time.perf_counter()
        rank_backbones(data, list(backbones.values()), tune=minutes, **prep)
        again = time.perf_counter() - started
        print(found, flush=True)
        some, scores = _some(data, ROWS[data.task.modality], 0), {}
        for b, net in backbones.items():
            f = np.asarray(features(Model(net, data.task, **prep).bind(some).backbone, some))
            y = some.labels
            with threadpool_limits(1):
                a, loss = logistic(f, y)
                others = {
                    "logistic accuracy": a,
                    "logistic log loss": loss,
                    "LogME": logme(f, y),
                    "H-score": h_score(f, y),
                    "NLEEP": nleep(f, y),
                }
            row = next(r for r in found.rows if r["backbone"] == b)
            scores[b] = {
                "order (ftkit)": -found.rows.index(row),
                "ridge squared error": -row["error"],
                "ridge accuracy": row["value"],
            } | others
    os.environ.pop("FTKIT_CACHE") if usual is None else os.environ.update(FTKIT_CACHE=usual)
    agree = {
        f"{n} backbones": {
            s: [
                round(float(r([scores[b][s] for b in some], [truth[b] for b in some])[0]), 2)
                for r in (spearmanr, kendalltau)
            ]
            for s in next(iter(scores.values()))
        }
        for n in {5, len(truth)}
        for some in [list(truth)[:n]]
    }
    return {
        "set": name,
        "rows": found.n,
        "trained": {
            r["backbone"]: [
                round(r["trained_value"], 4),
                round(r["trained_error"], 4),
                round(r["trained_took"], 1),
            ]
            for r in found.rows
            if "trained_error" in r
        },
        "seconds": round(seconds, 1),
        "cpu": round(cpu, 1),
        "load": round(os.getloadavg()[0], 1),
        "again": round(again, 1),
        "accuracy": truth,
        "scores": {b: {k: round(v, 4) for k, v in s.items()} for b, s in scores.items()},
        "spearman, kendall": agree,
    }


def main() -> None:
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("what", choices=["tune", "rank"])
    ask.add_argument("sets", nargs="*", default=list(SETS))
    ask.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "ranking.jsonl")
    ask.add_argument(
        "--seed",
        type=int,
        default=0,
        help=(
            "of the training; the split is always the same, and a backbone's accuracy is the mean over"
            " seeds"
        ),
    )
    ask.add_argument(
        "--minutes",
        type=float,
        default=0,
        help="for the leading backbones' training, as ftkit backbones --tune",
    )
    ask.add_argument(
        "--most",
        type=int,
        default=5,
        help="backbones; seven on pictures with those that were added later",
    )
    args = ask.parse_args()
    folder = args.out.with_suffix("")
    folder.mkdir(exist_ok=True, parents=True)
    done = (
        [json.loads(line) for line in args.out.read_text().splitlines()]
        if args.out.exists()
        else []
    )
    if args.what == "tune":
        for name in args.sets:
            for one in BODIES[name][: args.most]:
                if any(
                    (r["set"], r["backbone"], r.get("seed", 0)) == (name, one, args.seed)
                    for r in done
                ):
                    continue
                row = tune(name, one, folder, args.seed)
                with open(args.out, "a") as f:
                    f.write(json.dumps(row) + "\n")
                print(row, flush=True)
        return
    for name in args.sets:
        if len({r["backbone"] for r in done if r["set"] == name}) < 5:
            print(f"{name}: fewer than five fine-tunes in {args.out}")
            continue
        row = rank(name, done, folder, args.minutes, args.most)
        with open(args.out.with_suffix(".ranks.jsonl"), "a") as f:
            f.write(json.dumps(row) + "\n")
        print(json.dumps(row, indent=1), flush=True)


if __name__ == "__main__":
    main()

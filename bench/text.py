"""Fine-tuning MiniLM on 2,000 film sentences (two classes), side by side with the transformers
Trainer and fastai: python bench/text.py

Every fit runs in a process of its own, one after the other (A B C A B C …), on the same weights,
rows and test rows. Seconds are from making the model to the end of its training, without imports
and without predicting test rows; ftkit's hold its features, its validation and its choice of
weights. Caches are empty for each fit, but for the precision probe, which is measured once a
machine. Test accuracy is taken after every epoch but the first, with the clock stopped. Sides:
ftkit (its defaults), trainer (its defaults: float32, batches of 8), trainer-best (bf16 where the
processor has it, batches of 32 of like length, the best of four learning rates, dev/LOG.md),
fastai (its one-cycle and Adam, batches of 32 of like length, rate 1e-4; `pip install fastai`).
`--sides ftkit ftkit …` shows the noise of the machine (A–A).
"""

import importlib
import os

os.environ |= {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}
import argparse
import dataclasses
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

EPOCHS = 3


def rows(seed: int):
    "2,000 training, 500 validation and 2,500 test rows."
    from ftkit import Data

    return Data.text(
        "sample:movie", leave_out=("neutral",), limit=5000, valid=0.1, test=0.5, seed=seed
    )


class Clock:
    "Wall and CPU seconds that can be stopped, and the accuracy at each stop."

    def __init__(self):
        self.wall, self.cpu, self.curve = 0.0, 0.0, []
        self.go()

    def go(self):
        self.at = time.perf_counter(), time.process_time()

    def stop(self):
        self.wall += time.perf_counter() - self.at[0]
        self.cpu += time.process_time() - self.at[1]

    def test(self, name, accuracy):
        self.stop()
        self.curve.append((name, round(self.wall, 2), round(float(accuracy()), 4)))
        self.go()

    def end(self):
        self.stop()
        # nothing was trained since
        self.curve.append(("end", round(self.wall, 2), self.curve[-1][2]))


def fit_ftkit(seed: int, fields: dict) -> Clock:
    from ftkit import Model, Trainer
    from ftkit.core import cache_folder

    # the other sides import these before their clock starts
    importlib.import_module("transformers.models.auto")
    for part in ("features", "layers", "tokens"):
        shutil.rmtree(cache_folder(part), ignore_errors=True)
    data = rows(seed)
    ids = np.concatenate([data.train.ids, data.valid.ids])
    seen = dataclasses.replace(
        data,
        items=[data.items[i] for i in ids],
        hashes=[data.hashes[i] for i in ids],
        labels=data.labels[ids],
        parts=data.parts[ids],
    )
    texts, y = [data.items[i] for i in data.test.ids], data.test.labels
    clock = Clock()
    model = Model("all-MiniLM-L6-v2", data.task, seed=seed)

    def accuracy():
        return (model.predict(model.read(texts)).argmax(1) == y).mean()

    trainer = Trainer(
        model,
        seen,
        seed=seed,
        watch=[
            lambda record: (
                record["stage"] == "tune"
                and record["epoch"] > 1
                and clock.test(f"{record['stage']} {record['epoch']}", accuracy)
            )
        ],
        **fields,
    )
    trainer.fit()
    clock.test("end", accuracy)
    clock.precision = (
        f"{trainer.precision.dtype}, {trainer.precision.layout}: {trainer.precision.reason}"
    )
    return clock


def fit_trainer(seed: int, best: bool, fields: dict) -> Clock:
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    from ftkit.samples.catalogue import fetch_sample

    folder, data = fetch_sample("all-MiniLM-L6-v2"), rows(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    train = encoded(tokenizer, data, data.train)
    test = encoded(tokenizer, data, data.test)
    collate = DataCollatorWithPadding(tokenizer)
    clock = Clock()
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)

    class Watch(TrainerCallback):
        def on_epoch_end(self, args, state, control, **_):
            state.epoch < 1.5 or clock.test(
                f"epoch {round(state.epoch)}", lambda: right(model, test, collate)
            )

    options = (
        dict(
            bf16=torch.ops.mkldnn._is_mkldnn_bf16_supported(),
            train_sampling_strategy="group_by_length",
            per_device_train_batch_size=32,
            learning_rate=1e-4,
        )
        if best
        else {}
    )
    with tempfile.TemporaryDirectory() as d:
        args = TrainingArguments(
            d,
            num_train_epochs=EPOCHS,
            seed=seed,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            **options | fields,
        )
        Trainer(
            model, args, train_dataset=train, data_collator=collate, callbacks=[Watch()]
        ).train()
    clock.end()
    return clock


def encoded(tokenizer, data, part) -> list[dict]:
    "Token numbers, mask and label of each row."
    said = tokenizer([data.items[i] for i in part.ids], truncation=True, max_length=256)
    return [
        {"input_ids": a, "attention_mask": b, "labels": int(c)}
        for a, b, c in zip(said["input_ids"], said["attention_mask"], part.labels)
    ]


def right(model, test: list[dict], collate) -> float:
    "Accuracy of a transformers model; its rows are sorted by length, and the labels come along."
    import torch

    training, count, test = model.training, 0, sorted(test, key=lambda r: len(r["input_ids"]))
    model.eval()
    with torch.inference_mode():
        for i in range(0, len(test), 64):
            x = collate(test[i : i + 64])
            count += (
                (
                    model(
                        input_ids=x["input_ids"], attention_mask=x["attention_mask"]
                    ).logits.argmax(1)
                    == x["labels"]
                )
                .sum()
                .item()
            )
    model.train(training)
    return count / len(test)


def fit_fastai(seed: int, fields: dict) -> Clock:
    import torch
    from fastai.basics import Callback, DataLoaders, Learner
    from fastai.text.data import SortedDL
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
    )

    for part in ("progress", "schedule"):  # they give the Learner no_bar and fit_one_cycle
        importlib.import_module(f"fastai.callback.{part}")

    from ftkit.samples.catalogue import fetch_sample

    folder, data = fetch_sample("all-MiniLM-L6-v2"), rows(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    train, valid, test, collate = (
        *(encoded(tokenizer, data, p) for p in (data.train, data.valid, data.test)),
        DataCollatorWithPadding(tokenizer),
    )

    def batch(rows):
        x = collate(rows)
        return torch.stack([x["input_ids"], x["attention_mask"]]), x["labels"]

    class Logits(torch.nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(input_ids=x[0], attention_mask=x[1]).logits

    class Watch(Callback):
        def after_epoch(self):
            self.epoch < 1 or clock.test(
                f"epoch {self.epoch + 1}", lambda: right(model.net, test, collate)
            )

    clock = Clock()
    torch.manual_seed(seed)
    model = Logits(AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2))
    loaders = [
        SortedDL(
            rows,
            sort_func=lambda r: len(r["input_ids"]),
            bs=32,
            shuffle=shuffle,
            drop_last=shuffle,
            create_batch=batch,
            num_workers=0,
        )
        for rows, shuffle in ((train, True), (valid, False))
    ]
    learn = Learner(
        DataLoaders(*loaders), model, loss_func=torch.nn.CrossEntropyLoss(), cbs=[Watch()]
    )
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(EPOCHS, fields.get("rate", 1e-4))
    clock.end()
    return clock


def one(side: str, seed: int, fields: dict) -> dict:
    if side == "ftkit":
        clock = fit_ftkit(seed, fields)
    elif side == "fastai":
        clock = fit_fastai(seed, fields)
    else:
        clock = fit_trainer(seed, side == "trainer-best", fields)
    return {
        "side": side,
        "seed": seed,
        "accuracy": clock.curve[-1][2],
        "wall": clock.curve[-1][1],
        "cpu": round(clock.cpu, 1),
        "peak GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "curve": clock.curve[:-1],
        "precision": getattr(clock, "precision", ""),
    }


def reached(found: list[dict], level: float) -> float:
    """Median seconds until the mean accuracy over seeds is at that level, at the end of an epoch or
    of the fit."""
    points = (
        [(f"{k}", [r["curve"][k] for r in found]) for k in range(len(found[0]["curve"]))]
        if len({len(r["curve"]) for r in found}) == 1
        else []
    )
    for _, at in points:
        if np.mean([c[2] for c in at]) >= level:
            return float(np.median([c[1] for c in at]))
    return (
        float(np.median([r["wall"] for r in found]))
        if np.mean([r["accuracy"] for r in found]) >= level
        else float("nan")
    )


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--sides", nargs="*", default=["ftkit", "trainer-best", "fastai", "trainer"])
    ask.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    ask.add_argument(
        "--set",
        nargs=2,
        action="append",
        default=[],
        metavar=("FIELD", "VALUE"),
        help="a field of the side's configuration, as JSON",
    )
    ask.add_argument("--one", nargs=2, metavar=("SIDE", "SEED"), help="a single fit, as JSON")
    args = ask.parse_args()
    fields = {k: json.loads(v) for k, v in args.set}
    if args.one:
        print(json.dumps(one(args.one[0], int(args.one[1]), fields)))
        sys.exit()
    found = []
    for seed in args.seeds:
        for side in args.sides:
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    "--one",
                    side,
                    str(seed),
                    *[w for k, v in args.set for w in ("--set", k, v)],
                ],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                sys.exit(done.stderr)
            found.append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(json.dumps(found[-1]), flush=True)
    from ftkit.metrics.scores import bootstrap_mean

    of = {side: [r for r in found if r["side"] == side] for side in args.sides}
    print(
        "\n| side | accuracy (95 % interval over seeds) | wall s | CPU s | peak GB"
        " |\n|---|---|---|---|---|"
    )
    for side, r in of.items():
        print(
            f"| {side} | {bootstrap_mean(np.array([x['accuracy'] for x in r]))} |"
            f" {np.median([x['wall'] for x in r]):.1f} | {np.median([x['cpu'] for x in r]):.1f} |"
            f" {np.median([x['peak GB'] for x in r]):.2f} |"
        )
    for side in args.sides[1:]:
        mine, other = of[args.sides[0]], of[side]
        level = min(np.mean([x["accuracy"] for x in r]) for r in (mine, other)) - 0.005
        pairs = [b["wall"] / a["wall"] for a, b in zip(mine, other)]
        print(
            f"against {side}: to accuracy {level:.4f} {reached(other, level):.1f} s /"
            f" {reached(mine, level):.1f} s = {reached(other, level) / reached(mine, level):.2f}"
            f" times; whole fits {np.median(pairs):.2f} times (seeds {min(pairs):.2f} to"
            f" {max(pairs):.2f})"
        )

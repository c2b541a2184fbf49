"""ftkit beside a plain PyTorch loop, the transformers Trainer, fastai and Lightning, on a
processor: python bench/cpu.py pictures|texts|head|folds|overhead

pictures  full fine-tuning of EfficientNet-Lite0 on `stamps` (738 pictures at 224, or --size; 10
          classes; half of them for the test), 8 passes
texts     bench/text.py: full fine-tuning of MiniLM on 2,000 film sentences
head      a new head alone, 10 passes over the same pictures, the first included; beside it
          scikit-learn on the same features
folds     5 folds × 20 trials of a head (rate, weight decay): ftkit with its cached features; the
          others are timed on one fold of one trial, times 100
overhead  CPU time of a step around a network that does nothing, above a bare loop over tensors
Every fit runs in a process of its own, sides in turn (A B C A B C …), on the same pixels,
weights and split; seconds are from making the model to the end of its training, without imports,
decoding and predicting the test rows. ftkit's hold its features where it needs them, its probe
of precisions and its validation. Sides: ftkit (defaults, no augmentation), plain (the same
levers by hand: bfloat16, channels last, fused AdamW, one cycle, and ftkit's `kept_memory` around
it), trainer (transformers' defaults: batches of 8, float32), trainer-best (bfloat16, batches of
32, rate 1e-3), fastai (`fine_tune`, its defaults), lightning (its defaults around the plain
recipe). `--sides ftkit ftkit …` shows the noise of the machine (A–A); a round whose A–A ratio
exceeds 1.1 is to be discarded. fastai and lightning are not installed with ftkit: pip install
fastai lightning."""

import os

os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1"}
import argparse
import dataclasses
import importlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

EPOCHS, SIZE = 8, 224


def pictures(seed):
    "Pixels (N,3,224,224) uint8 of all rows, and the data."
    importlib.import_module("timm")  # before the clocks start; ftkit does so within its own

    from ftkit import Data

    data = Data.image("sample:stamps", seed=seed, valid=0.1, test=0.5)
    return data, data.pixels(SIZE, background=data.background)


class Clock:
    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


def network(n, seed):
    "The body with a new last layer, as the other sides have it."
    import torch

    from ftkit.models.backbone import load_backbone

    body = load_backbone("efficientnet_lite0")
    torch.manual_seed(seed)
    return torch.nn.Sequential(body.body, torch.nn.Linear(body.n_features, n)), body.prep


class Rows:
    "Rows as the others read them: normalised pictures and labels."

    def __init__(self, x, y, ids, prep):
        self.x = x
        self.y = y
        self.ids = ids
        self.mean = np.float32(prep.mean).reshape(3, 1, 1) * 255
        self.std = np.float32(prep.std).reshape(3, 1, 1) * 255

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        import torch

        return torch.from_numpy((self.x[self.ids[i]] - self.mean) / self.std), int(
            self.y[self.ids[i]]
        )


def right(net, rows):
    "Accuracy."
    import torch

    net.eval()
    with torch.inference_mode():
        return float(
            np.mean(
                np.concatenate(
                    [
                        net(torch.stack([rows[j][0] for j in range(i, min(i + 32, len(rows)))]))
                        .argmax(1)
                        .numpy()
                        == [rows[j][1] for j in range(i, min(i + 32, len(rows)))]
                        for i in range(0, len(rows), 32)
                    ]
                )
            )
        )


def by_ftkit(data, x, seed, head):
    from ftkit import Model, Trainer
    from ftkit.core import cache_folder

    for part in ("features", "layers"):
        shutil.rmtree(cache_folder(part), ignore_errors=True)
    # the clocks of all sides stop before the test rows
    ids = np.concatenate([data.train.ids, data.valid.ids])
    seen = dataclasses.replace(
        data,
        items=[data.items[i] for i in ids],
        hashes=[data.hashes[i] for i in ids],
        labels=data.labels[ids],
        parts=data.parts[ids],
        sizes=None,
        near=None,
    )
    seen.pixels(SIZE, background=seen.background)
    with Clock() as clock:
        model = Model("efficientnet_lite0", data.task, size=SIZE, seed=seed)
        Trainer(
            model,
            seen,
            seed=seed,
            **(
                dict(freeze="backbone", head_epochs=10, head_rate=1e-2)
                if head
                else dict(epochs=EPOCHS)
            ),
        ).fit()
    return clock, float((model.predict(data.test).argmax(1) == data.test.labels).mean())


def by_plain(data, x, seed, head):
    import torch

    from ftkit.training.memory import kept_memory

    net, prep = network(len(data.task.classes), seed)
    train, test = (Rows(x, data.labels, p.ids, prep) for p in (data.train, data.test))
    with Clock() as clock, kept_memory(torch.device("cpu")):
        net = net.to(memory_format=torch.channels_last)
        if head:
            net[0].requires_grad_(False)
        params = [p for p in net.parameters() if p.requires_grad]
        groups = (
            [{"params": params, "lr": 1e-2}]
            if head
            else [
                {"params": net[0].parameters(), "lr": 1e-3},
                {"params": net[1].parameters(), "lr": 3e-3},
            ]
        )
        opt, epochs = torch.optim.AdamW(groups, fused=True), 10 if head else EPOCHS
        steps = len(train) // 32
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            opt, [g["lr"] for g in groups], total_steps=epochs * steps
        )
        for _ in range(epochs):
            net.train()
            for m in net.modules():
                if isinstance(m, torch.nn.BatchNorm2d):
                    m.eval()
            order = torch.randperm(len(train)).tolist()
            for k in range(steps):
                rows = [train[i] for i in order[k * 32 : (k + 1) * 32]]
                xb = torch.stack([r[0] for r in rows]).contiguous(memory_format=torch.channels_last)
                yb = torch.tensor([r[1] for r in rows])
                with torch.autocast("cpu", torch.bfloat16):
                    out = net(xb)
                loss = torch.nn.functional.cross_entropy(out.float(), yb, label_smoothing=0.1)
                opt.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(params, 1.0)
                opt.step()
                schedule.step()
    return clock, right(net, test)


def by_trainer(data, x, seed, head, best):
    import torch
    from transformers import Trainer, TrainingArguments

    net, prep = network(len(data.task.classes), seed)
    train, test = (Rows(x, data.labels, p.ids, prep) for p in (data.train, data.test))

    class WithLoss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, pixel_values, labels):
            out = self.net(pixel_values)
            return {"loss": torch.nn.functional.cross_entropy(out.float(), labels), "logits": out}

    def collate(rows):
        return {
            "pixel_values": torch.stack([r[0] for r in rows]),
            "labels": torch.tensor([r[1] for r in rows]),
        }

    if best:
        options = dict(
            bf16=torch.ops.mkldnn._is_mkldnn_bf16_supported(),
            per_device_train_batch_size=32,
            learning_rate=1e-2 if head else 1e-3,
            lr_scheduler_type="cosine",
            warmup_steps=0.1,
        )
    elif head:
        options = dict(learning_rate=1e-2)
    else:
        options = {}
    with tempfile.TemporaryDirectory() as d, Clock() as clock:
        if head:
            net[0].requires_grad_(False)
        args = TrainingArguments(
            d,
            num_train_epochs=10 if head else EPOCHS,
            seed=seed,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            **options,
        )
        Trainer(WithLoss(), args, train_dataset=train, data_collator=collate).train()
    return clock, right(net.float(), test)


def by_fastai(data, x, seed, head):
    import torch
    from fastai.basics import DataLoaders, Learner, params
    from fastai.data.load import DataLoader

    for part in ("progress", "schedule"):  # they give the Learner no_bar and fine_tune
        importlib.import_module(f"fastai.callback.{part}")
    net, prep = network(len(data.task.classes), seed)
    train, valid, test = (
        Rows(x, data.labels, p.ids, prep) for p in (data.train, data.valid, data.test)
    )
    with Clock() as clock:
        loaders = DataLoaders(
            *(
                DataLoader(r, bs=64, shuffle=s, drop_last=s, num_workers=0)
                for r, s in ((train, True), (valid, False))
            )
        )
        learn = Learner(
            loaders,
            net,
            loss_func=torch.nn.CrossEntropyLoss(),
            splitter=lambda m: [params(m[0]), params(m[1])],
        )
        with learn.no_bar(), learn.no_logging():
            if head:
                learn.freeze()
                learn.fit_one_cycle(10, 1e-2)
            else:
                learn.fine_tune(EPOCHS)
    return clock, right(net, test)


def by_lightning(data, x, seed, head):
    import logging
    import warnings

    import lightning
    import torch

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    net, prep = network(len(data.task.classes), seed)
    train, test = (Rows(x, data.labels, p.ids, prep) for p in (data.train, data.test))
    epochs, rate = (10, 1e-2) if head else (EPOCHS, 1e-3)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net

        def training_step(self, batch, _):
            return torch.nn.functional.cross_entropy(
                self.net(batch[0]), batch[1], label_smoothing=0.1
            )

        def configure_optimizers(self):
            opt = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], rate)
            return {
                "optimizer": opt,
                "lr_scheduler": {
                    "scheduler": torch.optim.lr_scheduler.OneCycleLR(
                        opt, rate, total_steps=epochs * (len(train) // 32)
                    ),
                    "interval": "step",
                },
            }

    with tempfile.TemporaryDirectory() as d, Clock() as clock:
        if head:
            net[0].requires_grad_(False)
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=d,
        )
        trainer.fit(Module(), torch.utils.data.DataLoader(train, 32, shuffle=True, drop_last=True))
    return clock, right(net, test)


def by_sklearn(data, x, seed, head):
    from sklearn.linear_model import LogisticRegression

    from ftkit.core import cache_folder
    from ftkit.models.backbone import load_backbone
    from ftkit.models.features import features

    shutil.rmtree(cache_folder("features"), ignore_errors=True)
    with Clock() as clock:
        f = np.array(features(load_backbone("efficientnet_lite0"), data, size=SIZE))
        fitted = LogisticRegression(max_iter=2000).fit(f[data.train.ids], data.train.labels)
    return clock, float(fitted.score(f[data.test.ids], data.test.labels))


SIDES = {
    "ftkit": by_ftkit,
    "plain": by_plain,
    "trainer": lambda *a: by_trainer(*a, False),
    "trainer-best": lambda *a: by_trainer(*a, True),
    "fastai": by_fastai,
    "lightning": by_lightning,
    "scikit-learn": by_sklearn,
}


def folds(seed):
    "100 fits of ftkit's on five folds, features included; and what one costs the others."
    import torch

    from ftkit import Data, Model, Trainer
    from ftkit.core import cache_folder

    importlib.import_module("timm")  # as in `pictures`
    data = Data.image("sample:stamps", seed=seed)
    data.pixels(SIZE, background=data.background)
    shutil.rmtree(cache_folder("features"), ignore_errors=True)
    draws = np.random.default_rng(seed)
    trials = [(10 ** draws.uniform(-3, -1), 10 ** draws.uniform(-2, 1)) for _ in range(20)]
    best = []
    with Clock() as clock:
        for rate, decay in trials:
            hits = np.zeros(len(data))
            for fold in data.folds(5, seed=seed, valid=0):
                model = Model("efficientnet_lite0", fold.task, size=SIZE, seed=seed)
                Trainer(
                    model,
                    fold,
                    freeze="backbone",
                    head_epochs=10,
                    head_rate=rate,
                    head_decay=decay,
                    keep="last",
                    seed=seed,
                    record=False,
                ).fit()
                from ftkit.models.features import features

                f = torch.from_numpy(np.array(features(model.backbone, fold)))[fold.test.ids]
                with torch.inference_mode():
                    hits[fold.test.ids] = model.decide(f).argmax(1).numpy() == fold.test.labels
            best.append(hits.mean())
    return {
        "side": "ftkit",
        "seed": seed,
        "wall": round(clock.wall, 1),
        "cpu": round(clock.cpu, 1),
        "accuracy": float(max(best)),
        "peak GB": peak(),
    }


def overhead(rounds=7):
    "CPU microseconds of a step, and above a bare loop over tensors."
    import pandas as pd
    import torch
    from torch import nn

    from ftkit import Data, Trainer
    from ftkit.models.own import as_model

    torch.set_num_threads(1)
    n, rng, epochs = 20_000, np.random.default_rng(0), 10
    frame = pd.DataFrame(rng.normal(size=(n, 8)), columns=[f"c{i}" for i in range(8)]).assign(
        y=np.where(rng.random(n) < 0.5, "a", "b")
    )
    data = Data.tabular(frame, label="y", valid=0.0, test=0.1)

    class Nothing(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.zeros(2))

        def forward(self, x):
            return self.w.expand(len(x), 2)

    def ftkit():
        t = Trainer(
            Nothing(),
            data,
            epochs=epochs,
            batch_size=32,
            patience=None,
            keep="last",
            precision="float32",
            record=False,
        )
        with Clock() as c:
            t.fit()
        return c.cpu / (epochs * (len(data.train) // 32))

    def tensors():
        m = as_model(Nothing(), data)
        x = torch.from_numpy(m.backbone.inputs(data).x)
        y = torch.from_numpy(data.labels)
        net = m.backbone.body
        ids = torch.from_numpy(data.train.ids)
        opt, steps = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True), len(ids) // 32
        with Clock() as c:
            for _ in range(epochs):
                order = ids[torch.randperm(len(ids))]
                for k in range(steps):
                    b = order[k * 32 : (k + 1) * 32]
                    loss = nn.functional.cross_entropy(net(x[b]), y[b])
                    opt.zero_grad()
                    loss.backward()
                    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                    opt.step()
        return c.cpu / (epochs * steps)

    def trainer():
        from transformers import Trainer, TrainingArguments

        m = as_model(Nothing(), data)
        x, net = torch.from_numpy(m.backbone.inputs(data).x), m.backbone.body

        class WithLoss(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, x, labels):
                out = self.net(x)
                return {"loss": nn.functional.cross_entropy(out, labels), "logits": out}

        rows = [{"x": x[i], "labels": int(data.labels[i])} for i in data.train.ids]
        with tempfile.TemporaryDirectory() as d:
            t = Trainer(
                WithLoss(),
                TrainingArguments(
                    d,
                    num_train_epochs=3,
                    per_device_train_batch_size=32,
                    report_to=[],
                    save_strategy="no",
                    disable_tqdm=True,
                    use_cpu=True,
                    remove_unused_columns=False,
                ),
                train_dataset=rows,
            )
            with Clock() as c:
                t.train()
        return c.cpu / t.state.global_step

    found = {"ftkit": [], "tensors": [], "transformers Trainer": []}
    for f in (ftkit, tensors, trainer):
        f()  # to warm up
    for _ in range(rounds):
        for name, f in zip(found, (ftkit, tensors, trainer)):
            found[name].append(f() * 1e6)
    return {
        name: {
            "median us a step": round(float(np.median(v))),
            "above tensors": round(float(np.median(np.array(v) - found["tensors"]))),
            "rounds": [round(s) for s in v],
        }
        for name, v in found.items()
    }


def peak():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)


if __name__ == "__main__":
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("what", choices=["pictures", "texts", "head", "folds", "overhead"])
    ask.add_argument(
        "--sides",
        nargs="*",
        default=None,
        help=(
            "of pictures also with a number of passes, as trainer:24: how long does one need to be"
            " as good as another?"
        ),
    )
    ask.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    ask.add_argument("--size", type=int, default=SIZE, help="pixels a side of pictures")
    ask.add_argument("--one", nargs=2, metavar=("SIDE", "SEED"), help="a single fit, as JSON")
    args = ask.parse_args()
    SIZE = args.size
    if args.what == "texts":
        sys.exit(
            subprocess.run(
                [
                    sys.executable,
                    os.path.join(os.path.dirname(__file__), "text.py"),
                    "--seeds",
                    *map(str, args.seeds),
                ]
            ).returncode
        )
    if args.what == "overhead":
        print(json.dumps(overhead(), indent=1))
        sys.exit()
    if args.one:
        side, _, passes = args.one[0].partition(":")
        seed, EPOCHS = int(args.one[1]), int(passes or EPOCHS)
        if args.what == "folds" and side == "ftkit":
            print(json.dumps(folds(seed)))
            sys.exit()
        data, x = pictures(seed)
        clock, accuracy = SIDES[side](data, x, seed, args.what != "pictures")
        print(
            json.dumps(
                {
                    "side": args.one[0],
                    "seed": seed,
                    "wall": round(clock.wall, 1),
                    "cpu": round(clock.cpu, 1),
                    "accuracy": round(accuracy, 4),
                    "peak GB": peak(),
                }
            )
        )
        sys.exit()
    sides = (
        args.sides
        or {
            "pictures": ["ftkit", "plain", "trainer-best", "trainer", "fastai", "lightning"],
            "head": ["ftkit", "scikit-learn", "plain", "trainer-best", "fastai", "lightning"],
            "folds": ["ftkit", "trainer-best", "fastai"],
        }[args.what]
    )
    found = []
    for seed in args.seeds:
        for side in sides:
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    args.what,
                    "--size",
                    str(SIZE),
                    "--one",
                    side,
                    str(seed),
                ],
                capture_output=True,
                text=True,
            )
            if done.returncode:
                sys.exit(done.stderr)
            found.append(
                json.loads(done.stdout.strip().splitlines()[-1])
                | {"load": round(os.getloadavg()[0], 1)}
            )
            print(json.dumps(found[-1]), flush=True)
    from ftkit.metrics.scores import bootstrap_mean

    print(
        "\n| side | accuracy (95 % interval over seeds) | wall s | CPU s | peak GB | wall, times"
        " ftkit's (seeds) | CPU, times ftkit's |\n|---|---|---|---|---|---|---|"
    )
    times = {side: 100 if args.what == "folds" and side != "ftkit" else 1 for side in sides}
    mine = [r for r in found if r["side"] == sides[0]][: len(args.seeds)]
    for k, side in enumerate(sides):
        r = [x for j, x in enumerate(found) if j % len(sides) == k]
        ratio = {t: [b[t] * times[side] / a[t] for a, b in zip(mine, r)] for t in ("wall", "cpu")}
        print(
            f"| {side} | {bootstrap_mean(np.array([x['accuracy'] for x in r]))} |"
            f" {np.median([x['wall'] for x in r]):.1f} | {np.median([x['cpu'] for x in r]):.1f} |"
            f" {np.median([x['peak GB'] for x in r]):.2f} | {np.median(ratio['wall']):.2f}"
            f" ({min(ratio['wall']):.2f} to {max(ratio['wall']):.2f}) |"
            f" {np.median(ratio['cpu']):.2f} |"
        )

"""What each lever of the trainer is worth: python bench/levers.py pictures|texts [--seeds 0 1 2]

Each line is ftkit's training with one lever off, all others as they stand; pictures:
EfficientNet-Lite0 on half of `stamps` at 224, 4 passes; texts: MiniLM on 1,000 film sentences, 3
passes, the lower half of the body frozen as the template has it. Every fit runs in a process of
its own with empty caches (decoded pictures are there), in turn over the sides; seconds are from
making the model to the end of its training, validation included. Accuracy is of 369 and 2,500
test rows. A lever that is off is replaced by what one would write without it.
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
import time

import numpy as np


def without_features():
    "The head's inputs are computed in each pass."
    import torch

    import ftkit.training.stages as stages

    head_on = stages.head_on

    def stage(setup, known, rows=None):
        def inputs(ids, epoch):
            if epoch is None:
                return known(ids, epoch)
            with torch.no_grad():
                return setup.model.backbone(setup.rows.batch(ids, setup.device)).float()

        return head_on(setup, inputs, rows)

    stages.head_on = stage


def without_lower():
    "What the frozen layers make of a text is computed in each pass."
    import ftkit.training.setup as setup

    setup.lower_layers = lambda backbone, data, layers, device: backbone.inputs(data)


def without_sorting():
    "Batches of random texts."
    import ftkit.training.stages as stages

    epoch_order = stages.epoch_order
    stages.epoch_order = lambda *args, lengths=None, **more: epoch_order(*args, **more)


def without_fused():
    import torch

    import ftkit.training.loop as loop

    loop.make_optimizer = lambda groups, config, device: torch.optim.AdamW(
        [{k: v for k, v in g.items() if k != "names"} for g in groups], lr=1e-3
    )


def with_layout(layout):
    def change():
        import ftkit.training.stages as stages

        probe = stages.probe_precision
        stages.probe_precision = lambda *args: dataclasses.replace(probe(*args), layout=layout)

    return change


def without_pixels():
    "Pictures are decoded whenever they are read."
    from ftkit.data.dataset import Data
    from ftkit.reading.pictures import open_picture, square

    class Decoding:
        def __init__(self, data, size, how):
            self.data = data
            self.size = size
            self.how = how
            self.shape = (len(data), 3, size, size)
            self.nbytes = 0

        def __len__(self):
            return len(self.data)

        def __getitem__(self, ids):
            return np.stack(
                [
                    square(
                        open_picture(self.data.items[i], at_least=self.size), self.size, *self.how
                    ).transpose(2, 0, 1)
                    for i in ids
                ]
            )

    def pixels(self, size, fit="pad", interpolation="bicubic", background=255):
        return Decoding(self, size, (fit, interpolation, background))

    Data.pixels = pixels


def without_kept_memory():
    "Freed memory goes back to the system at once, as glibc has it."
    import contextlib

    import ftkit.training.trainer as trainer

    trainer.kept_memory = lambda device: contextlib.nullcontext()


def with_all_kept():
    "What enters a norm and a clipped ReLU is kept for the gradients, as PyTorch does."
    import ftkit.training.stages as stages

    stages.keep_less = lambda body, on: None


def nothing():
    pass


SIDES = {
    "pictures": {
        "all on": (nothing, {}),
        "float32": (nothing, {"precision": "float32"}),
        "channels first": (with_layout("contiguous"), {}),
        "features again in each pass of the head": (without_features, {}),
        "pictures decoded again in each pass": (without_pixels, {}),
        "optimiser not fused": (without_fused, {}),
        "memory given back": (without_kept_memory, {}),
        "all kept for the gradients": (with_all_kept, {}),
        "no training of the head first": (nothing, {"head_epochs": 0}),
    },
    "texts": {
        "all on": (nothing, {}),
        "float32": (nothing, {"precision": "float32"}),
        "random batches": (without_sorting, {}),
        "features again in each pass of the head": (without_features, {}),
        "frozen layers again in each pass": (without_lower, {}),
        "optimiser not fused": (without_fused, {}),
        "memory given back": (without_kept_memory, {}),
        "all layers trained": (nothing, {"frozen_layers": 0}),
        "no training of the head first": (nothing, {"head_epochs": 0}),
    },
}


def fit(kind: str, side: str, seed: int) -> dict:
    import torch

    from ftkit import Data, Model, Trainer
    from ftkit.core import cache_folder

    for name in ("timm", "transformers.models.auto"):  # before the clock starts
        importlib.import_module(name)
    for part in ("features", "layers"):
        shutil.rmtree(cache_folder(part), ignore_errors=True)
    if kind == "pictures":
        data = Data.image("sample:stamps", seed=seed, valid=0.1, test=0.5)
        body = dict(backbone="efficientnet_lite0", size=224)
        fields = {"epochs": 4}
        data.pixels(224, background=data.background)
    else:
        data = Data.text(
            "sample:movie", leave_out=("neutral",), limit=3900, valid=0.1, test=0.64, seed=seed
        )
        body = dict(backbone="all-MiniLM-L6-v2")
        fields = {"epochs": 3, "frozen_layers": 3}
    change, more = SIDES[kind][side]
    change()
    model = Model(body.pop("backbone"), data.task, seed=seed, **body)
    model.backbone.inputs(data)  # tokens, which all sides have once
    at, cpu = time.perf_counter(), time.process_time()
    trainer = Trainer(model, data, seed=seed, record=False, **fields | more).fit()
    wall, cpu = time.perf_counter() - at, time.process_time() - cpu
    right = float((model.predict(data.test).argmax(1) == data.test.labels).mean())
    return {
        "side": side,
        "seed": seed,
        "wall": round(wall, 1),
        "cpu": round(cpu, 1),
        "accuracy": round(right, 4),
        "peak GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "rows": len(data.train),
        "precision": f"{trainer.precision.dtype}, {trainer.precision.layout}",
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    ask.add_argument("kind", choices=list(SIDES))
    ask.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    ask.add_argument("--sides", nargs="*", default=None)
    ask.add_argument("--one", nargs=2, metavar=("SIDE", "SEED"), help="a single fit, as JSON")
    args = ask.parse_args()
    if args.one:
        print(json.dumps(fit(args.kind, args.one[0], int(args.one[1]))))
        sys.exit()
    found, sides = [], args.sides or list(SIDES[args.kind])
    for seed in args.seeds:
        for side in sides:
            done = subprocess.run(
                [sys.executable, __file__, args.kind, "--one", side, str(seed)],
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
    print(
        "\n| off | accuracy | wall s | CPU s | wall, times (seeds) | CPU, times | peak GB"
        " |\n|---|---|---|---|---|---|---|"
    )

    def of(side):
        return [r for r in found if r["side"] == side]

    for side in sides:
        ratio = {t: [b[t] / a[t] for a, b in zip(of(sides[0]), of(side))] for t in ("wall", "cpu")}
        r = of(side)
        print(
            f"| {side} | {np.mean([x['accuracy'] for x in r]):.3f} |"
            f" {np.median([x['wall'] for x in r]):.1f} | {np.median([x['cpu'] for x in r]):.1f} |"
            f" {np.median(ratio['wall']):.2f} ({min(ratio['wall']):.2f} to"
            f" {max(ratio['wall']):.2f}) | {np.median(ratio['cpu']):.2f} |"
            f" {np.median([x['peak GB'] for x in r]):.2f} |"
        )

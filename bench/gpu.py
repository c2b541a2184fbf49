"""Training on a GPU, side by side: python bench/gpu.py [--seconds 20] [--only vit bert] [--profile]

ViT-B/16 on 224×224 pictures, and BERT-base on texts of 128 tokens and on texts of 8 to 128, with
random weights and rows (speed does not depend on them), in bfloat16. Needs torch, transformers
and timm, and ftkit's modules 00 to 12. Sides: ftkit's Trainer, eager and compiled; a plain
PyTorch loop (autocast, fused AdamW, rows held on the GPU, padded to the longest of the batch),
eager and compiled; the transformers Trainer with bf16, fused AdamW and workers, and for texts
batches of like length. Each side trains whole epochs; the first is not counted. Model FLOP
utilisation: FLOPs of forward and backward, as torch counts them for rows without padding, over
the peak of dense bfloat16 products that the maker gives (NVIDIA data sheets: 989 TFLOP/s for
H100 SXM and H200)."""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ftkit import Data, Model, Trainer

PEAK = {"H100": 989e12, "H200": 989e12}  # dense bfloat16 FLOP/s
WAYS = {
    "ftkit, autocast": {"compile": "off", "half_body": "off"},
    "ftkit": {"compile": "off", "half_body": "on"},
    "ftkit, autocast, compiled": {"compile": "on", "half_body": "off"},
    "ftkit, compiled": {"compile": "on", "half_body": "on"},
    "ftkit, deterministic": {"compile": "off", "half_body": "on", "deterministic": True},
}
CUDA = torch.cuda.is_available()
SMALL = not CUDA  # a trial on a CPU: does every side run?


def sync():
    if CUDA:
        torch.cuda.synchronize()


def pictures(n: int) -> Data:
    rng = np.random.default_rng(0)
    side = 32 if SMALL else 224
    return Data.image(
        (rng.integers(0, 255, (n, side, side, 3), dtype=np.uint8), rng.integers(0, 10, n).tolist()),
        valid=0,
        test=0,
    )


def texts(n: int, shortest: int, longest: int, folder: Path) -> Data:
    "Random words, one token each, and a BERT-base without weights in the folder."
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = [f"w{i}" for i in range(1000)]
    if not (folder / "config.json").exists():
        tokenizer = Tokenizer(
            models.WordLevel(
                {t: i for i, t in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *words])},
                unk_token="[UNK]",
            )
        )
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
        )
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="[PAD]",
            cls_token="[CLS]",
            sep_token="[SEP]",
            unk_token="[UNK]",
            model_max_length=512,
        ).save_pretrained(folder)
        config = BertConfig(
            **(
                dict(
                    num_hidden_layers=2,
                    hidden_size=64,
                    num_attention_heads=2,
                    intermediate_size=128,
                )
                if SMALL
                else {}
            )
        )
        BertModel(config).save_pretrained(folder)
    rng = np.random.default_rng(0)
    lengths = rng.integers(shortest, longest + 1, n) - 2
    return Data.text(
        (
            [" ".join(words[j] for j in rng.integers(0, 1000, k)) for k in lengths],
            [str(v) for v in rng.integers(0, 2, n)],
        ),
        valid=0,
        test=0,
    )


def vit(classes: int):
    import timm

    return timm.create_model(
        "vit_tiny_patch16_224" if SMALL else "vit_base_patch16_224",
        num_classes=classes,
        **({"img_size": 32} if SMALL else {}),
    )


def flops(net, x) -> float:
    "FLOPs of one forward and backward."
    net.train()
    with FlopCounterMode(display=False) as count:
        out = net(**x) if isinstance(x, dict) else net(x)
        out = getattr(out, "logits", out)
        (out if isinstance(out, torch.Tensor) else out.last_hidden_state).float().mean().backward()
    return float(count.get_total_flops())


class Epochs:
    "Seconds of each epoch, the first left out."

    def __init__(self):
        self.at = []

    def __call__(self, *_):
        sync()
        self.at.append(time.perf_counter())

    def median(self):
        return statistics.median(np.diff(self.at))


def ftkit_side(data: Data, body, size: int, epochs: int, fields: dict, profile=False):
    model = Model(
        body,
        data.task,
        pretrained=False,
        **(
            {"size": 32 if SMALL else 224} if data.task.modality == "image" else {"max_length": 128}
        ),
    )
    clock = Epochs()
    trainer = Trainer(
        model,
        data,
        watch=[clock],
        epochs=epochs,
        head_epochs=0,
        batch_size=size,
        keep="last",
        blend=1.0,
        frozen_layers=0,
        layer_decay=1.0,
        precision="bfloat16",
        clip=1.0,
        **fields,
    )
    if profile:
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as profiled

        with profiled(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as p:
            trainer.fit()
        print(
            p.key_averages().table(
                sort_by="cuda_time_total", row_limit=25, max_name_column_width=60
            )
        )
        print(
            p.key_averages().table(
                sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=60
            )
        )
    else:
        trainer.fit()
    print(trainer.precision.reason, flush=True)
    return clock.median()


def plain_side(net, batches, epochs: int, fast: bool = False):
    "batches: function () -> (input, targets) of each step, on the device."
    device = torch.device("cuda" if CUDA else "cpu")
    net = net.to(device).train()
    if fast:
        net = torch.compile(net)
    optimizer, clock = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True), Epochs()
    for _ in range(epochs):
        for x, y in batches():
            with torch.autocast(device.type, torch.bfloat16):
                out = net(**x) if isinstance(x, dict) else net(x)
                loss = torch.nn.functional.cross_entropy(getattr(out, "logits", out).float(), y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        clock()
    return clock.median()


def trainer_side(net, rows, collate, size: int, epochs: int, **options):
    from transformers import Trainer as Theirs
    from transformers import TrainerCallback, TrainingArguments

    clock = Epochs()

    class Watch(TrainerCallback):
        def on_epoch_end(self, *_, **__):
            clock()

    with tempfile.TemporaryDirectory() as d:
        args = TrainingArguments(
            d,
            num_train_epochs=epochs,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            logging_strategy="no",
            use_cpu=not CUDA,
            bf16=True,
            optim="adamw_torch_fused",
            per_device_train_batch_size=size,
            dataloader_drop_last=True,
            dataloader_num_workers=8 if CUDA else 0,
            dataloader_persistent_workers=CUDA,
            remove_unused_columns=False,
            **options,
        )
        Theirs(net, args, train_dataset=rows, data_collator=collate, callbacks=[Watch()]).train()
    return clock.median()


def run_vit(args) -> list[dict]:
    size, epochs = args.batch, args.epochs
    data = pictures(n := size * (2 if SMALL else args.steps))
    one = flops(vit(10), torch.randn(1, 3, *[32 if SMALL else 224] * 2))
    device = torch.device("cuda" if CUDA else "cpu")
    x = torch.from_numpy(np.stack(data.items)).permute(0, 3, 1, 2).contiguous()
    y = torch.from_numpy(data.labels)

    def batches():
        for i in torch.randperm(n, device=device).split(size):
            yield (held[i].float() / 255 - 0.5) * 2, goals[i]

    from ftkit.inputs.images import Prep
    from ftkit.models.backbone import Backbone

    def body():
        net = vit(0)
        return Backbone(
            net,
            net.num_features,
            Prep(32 if SMALL else 224, (0.5,) * 3, (0.5,) * 3),
            "vit",
            f"timm:{net.default_cfg['architecture']}",
        )

    found = {
        side: lambda how=how: ftkit_side(data, body(), size, epochs, how, args.profile)
        for side, how in WAYS.items()
    }
    if not args.profile:
        found["plain loop"] = lambda: plain_side(vit(10), batches, epochs)
        found["plain loop, compiled"] = lambda: plain_side(vit(10), batches, epochs, True)

        class Theirs(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = vit(10)

            def forward(self, pixel_values, labels):
                out = self.net(pixel_values)
                return {"loss": torch.nn.functional.cross_entropy(out, labels), "logits": out}

        rows = [{"x": a, "y": int(b)} for a, b in zip(x, y)]

        def collate(r):
            return {
                "pixel_values": (torch.stack([i["x"] for i in r]).float() / 255 - 0.5) * 2,
                "labels": torch.tensor([i["y"] for i in r]),
            }

        found["transformers Trainer"] = lambda: trainer_side(Theirs(), rows, collate, size, epochs)
    out = []
    for name, go in found.items():
        if args.sides and name not in args.sides:
            continue
        if name.startswith("plain loop"):
            held, goals = x.to(device), y.to(device)
        out.append(row("ViT-B/16, 224", name, go(), n // size * size, one))
        held = goals = None
    return out


def run_bert(args, shortest: int) -> list[dict]:
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
    )

    size, epochs = args.batch, args.epochs
    folder = args.folder
    data = texts(n := size * (2 if SMALL else 4 * args.steps), shortest, 128, folder)
    device = torch.device("cuda" if CUDA else "cpu")
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def net():
        return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)

    said = tokenizer(list(data.items))["input_ids"]
    lengths = np.array([len(s) for s in said])
    per = {
        k: flops(net(), {"input_ids": torch.ones(1, int(k), dtype=torch.long)})
        for k in np.unique(lengths[:: max(1, len(lengths) // 8)])
    }
    # FLOPs are a polynomial of second degree in the length
    fit = np.polyfit(list(per), list(per.values()), 2) if len(per) > 2 else None
    one = float(np.mean(np.polyval(fit, lengths))) if fit is not None else next(iter(per.values()))

    def batches():
        for i in np.array_split(np.random.permutation(n), n // size):
            width = lengths[i].max()
            ids = np.zeros((len(i), width), np.int64)
            for a, k in zip(ids, i):
                a[: lengths[k]] = said[k]
            ids = torch.from_numpy(ids)
            yield (
                {
                    k: v.to(device, non_blocking=True)
                    for k, v in {"input_ids": ids, "attention_mask": (ids > 0).long()}.items()
                },
                goals[torch.from_numpy(i).to(device)],
            )

    found = {
        side: lambda how=how: ftkit_side(
            data, str(folder), size, epochs, {"backbone_dropout": None} | how, args.profile
        )
        for side, how in WAYS.items()
    }
    if not args.profile:
        goals = torch.from_numpy(data.labels).to(device)
        found["plain loop"] = lambda: plain_side(net(), batches, epochs)
        if shortest == 128:
            found["plain loop, compiled"] = lambda: plain_side(net(), batches, epochs, True)
        rows = [
            {"input_ids": s, "attention_mask": [1] * len(s), "labels": int(b)}
            for s, b in zip(said, data.labels)
        ]
        found["transformers Trainer"] = lambda: trainer_side(
            net(),
            rows,
            DataCollatorWithPadding(tokenizer),
            size,
            epochs,
            **({} if shortest == 128 else {"train_sampling_strategy": "group_by_length"}),
        )
    return [
        row(
            f"BERT-base, {'128' if shortest == 128 else f'{shortest} to 128'} tokens",
            name,
            go(),
            n // size * size,
            one,
        )
        for name, go in found.items()
        if not args.sides or name in args.sides
    ]


def row(task: str, side: str, seconds: float, rows: int, one: float) -> dict:
    name = torch.cuda.get_device_name() if CUDA else "cpu"
    peak = next((v for k, v in PEAK.items() if k in name), float("nan"))
    found = {
        "task": task,
        "side": side,
        "rows a second": round(rows / seconds, 1),
        "utilisation": round(rows / seconds * one / peak, 3),
        "GB": round(torch.cuda.max_memory_allocated() / 1e9, 2) if CUDA else 0,
        "GFLOP a row": round(one / 1e9, 2),
    }
    if CUDA:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    print(json.dumps(found), flush=True)
    return found


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--only", nargs="*", default=["vit", "bert", "mixed"])
    ask.add_argument("--batch", type=int, default=8 if SMALL else 128)
    ask.add_argument(
        "--steps",
        type=int,
        default=24,
        help="of an epoch of pictures; texts have four times as many",
    )
    ask.add_argument("--epochs", type=int, default=4)
    ask.add_argument("--sides", nargs="*", help="only these")
    ask.add_argument("--profile", action="store_true", help="ftkit alone, with what takes the time")
    args = ask.parse_args()
    print(
        torch.__version__,
        torch.cuda.get_device_name() if CUDA else "no GPU: a trial of small sizes",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as d:
        args.folder = Path(d)
        for name in args.only:
            run_vit(args) if name == "vit" else run_bert(args, 128 if name == "bert" else 8)

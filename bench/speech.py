"""Writing down the prompts of prompts-en with Whisper's encoder, side by side with the transformers
Trainer: python bench/speech.py

Every fit runs in a process of its own, one after the other, on the same weights, rows and test
rows: the encoder's top two layers and a CTC head of characters are trained. Seconds are from
making the model to the end of its training, without imports and without predicting the test
rows; ftkit's hold the frozen layers, its validation and its choice of weights. Recordings of
more than 30 seconds (1 of 543) are left out. Caches are empty for each fit, but for decoded
sounds and the precision probe, which is measured once a machine. Sides: ftkit (its defaults: 30
passes of the head over frames that are computed once, then 8 passes of the two layers),
trainer-best (8 passes over recordings at their own length, batches of 16 of like length,
bfloat16 where the processor computes in it, the same step sizes as ftkit's), trainer (each
recording padded to 30 seconds, as the feature extractor does; one pass is timed, since eight
take an hour). `--sides ftkit ftkit …` shows the noise of the machine (A–A)."""

import os

os.environ |= {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}
import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

EPOCHS, BATCH = 8, 16


def rows(seed: int):
    from ftkit import Data

    # the feature extractor cuts what is longer
    return Data.speech(
        "sample:prompts-en", task="transcribe", max_seconds=30, skip_long=True, seed=seed
    )


def fit_ftkit(data, seed: int) -> dict:
    from ftkit import Model, Trainer
    from ftkit.core import cache_folder

    for part in ("features", "frames", "layers"):
        shutil.rmtree(cache_folder(part), ignore_errors=True)
    began = time.perf_counter(), time.process_time()
    model = Model("whisper-base", data.task, head="mlp", width=512, dropout=0.4, seed=seed)
    trainer = Trainer(model, data, seed=seed, epochs=EPOCHS, batch_size=BATCH).fit()
    spent = time.perf_counter() - began[0], time.process_time() - began[1]
    return {"spent": spent, "texts": model.predict(data.test), "stages": trainer.seconds}


def fit_trainer(data, seed: int, padded: bool) -> dict:
    import torch
    from torch import nn
    from transformers import Trainer, TrainingArguments, WhisperFeatureExtractor, WhisperModel

    from ftkit.models.decoding import encode, greedy
    from ftkit.samples.catalogue import fetch_sample

    waves, until = data.waves(16000)
    clips = [waves[a:b].astype(np.float32) / 32768 for a, b in zip([0, *until[:-1]], until)]
    said, extract = encode(data.labels, data.task.classes), WhisperFeatureExtractor()

    def features(ids):
        x = extract(
            [clips[i] for i in ids],
            sampling_rate=16000,
            return_tensors="pt",
            padding="max_length" if padded else "longest",
        ).input_features
        return x[..., : x.shape[2] // 2 * 2]  # the second convolution halves

    class Net(nn.Module):
        def __init__(self, encoder):
            super().__init__()
            self.encoder, n = encoder, encoder.config.d_model
            self.head = nn.Sequential(
                nn.LayerNorm(n),
                nn.Dropout(0.4),
                nn.Linear(n, 512),
                nn.GELU(),
                nn.Dropout(0.4),
                nn.Linear(512, data.task.n_outputs),
            )

        def forward(self, input_features, lengths, labels=None):
            e = self.encoder
            with torch.no_grad():
                h = nn.functional.gelu(
                    e.conv2(nn.functional.gelu(e.conv1(input_features)))
                ).transpose(1, 2)
                h = h + e.embed_positions.weight[: h.shape[1]]
                away = (
                    torch.zeros(len(h), 1, 1, h.shape[1])
                    .masked_fill(
                        torch.arange(h.shape[1]) >= lengths[:, None, None, None],
                        torch.finfo(h.dtype).min,
                    )
                    .expand(-1, 1, h.shape[1], -1)
                )
                for block in e.layers[:-2]:
                    h = block(h, away)
            for block in e.layers[-2:]:
                h = block(h, away)
            out = self.head(e.layer_norm(h))
            if labels is None:
                return out
            n = (labels >= 0).sum(1)
            return {
                "loss": nn.functional.ctc_loss(
                    out.float().log_softmax(2).transpose(0, 1),
                    labels.clamp_min(0),
                    lengths,
                    n,
                    zero_infinity=True,
                ),
                "logits": out,
            }

    def collate(batch):
        ids = [b["row"] for b in batch]
        return {
            "input_features": features(ids),
            "lengths": torch.tensor([max(1, len(clips[i]) // 320) for i in ids]),
            "labels": nn.utils.rnn.pad_sequence(
                [torch.from_numpy(said[i]) for i in ids], batch_first=True, padding_value=-1
            ),
        }

    began = time.perf_counter(), time.process_time()
    torch.manual_seed(seed)
    net = Net(
        WhisperModel.from_pretrained(fetch_sample("whisper-base"), dtype=torch.float32).encoder
    )
    for name, p in net.encoder.named_parameters():
        p.requires_grad_(name.startswith(("layers.4.", "layers.5.", "layer_norm")))
    epochs = 1 if padded else EPOCHS
    optimizer = torch.optim.AdamW(
        [
            {"params": net.head.parameters(), "lr": 1e-3},
            {"params": [p for p in net.encoder.parameters() if p.requires_grad], "lr": 3e-4},
        ],
        weight_decay=0.01,
        fused=True,
    )
    steps = len(data.train) // BATCH * epochs
    falls = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda k: min(1, (k + 1) / (0.1 * steps)) * 0.5 * (1 + np.cos(np.pi * min(1, k / steps))),
    )
    with tempfile.TemporaryDirectory() as d:
        args = TrainingArguments(
            d,
            num_train_epochs=epochs,
            seed=seed,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            dataloader_drop_last=True,
            per_device_train_batch_size=BATCH,
            bf16=not padded and torch.ops.mkldnn._is_mkldnn_bf16_supported(),
            **(
                {}
                if padded
                else {"train_sampling_strategy": "group_by_length", "length_column_name": "length"}
            ),
        )
        from datasets import Dataset

        Trainer(
            net,
            args,
            train_dataset=Dataset.from_list(
                [{"row": int(i), "length": len(clips[i])} for i in data.train.ids]
            ),
            data_collator=collate,
            optimizers=(optimizer, falls),
        ).train()
    spent = time.perf_counter() - began[0], time.process_time() - began[1]
    net.eval()
    texts = []
    with torch.inference_mode():
        for i in data.test.ids:
            x = collate([{"row": i}])
            texts.append(
                greedy(
                    net(x["input_features"], x["lengths"])[0, : int(x["lengths"][0])],
                    data.task.classes,
                )
            )
    return {"spent": spent, "texts": np.array(texts, object), "epochs": epochs}


def one(side: str, seed: int) -> dict:
    from ftkit.metrics.transcripts import error_rates

    data = rows(seed)
    data.waves(16000)  # decoded once, for all sides
    fit = fit_ftkit(data, seed) if side == "ftkit" else fit_trainer(data, seed, side == "trainer")
    errors = error_rates(list(data.test.labels), list(fit["texts"]))
    return {
        "side": side,
        "seed": seed,
        "character error": str(errors["character_error"]),
        "word error": str(errors["word_error"]),
        "wall": round(fit["spent"][0], 1),
        "cpu": round(fit["spent"][1], 1),
        "epochs": fit.get("epochs", EPOCHS),
        "peak GB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "stages": fit.get("stages", {}),
    }


if __name__ == "__main__":
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--sides", nargs="*", default=["ftkit", "trainer-best", "trainer"])
    ask.add_argument("--seeds", type=int, nargs="*", default=[0])
    ask.add_argument("--one", nargs=2, metavar=("SIDE", "SEED"), help="a single fit, as JSON")
    args = ask.parse_args()
    if args.one:
        print(json.dumps(one(args.one[0], int(args.one[1]))))
        sys.exit()
    found = []
    for seed in args.seeds:
        for side in args.sides:
            done = subprocess.run(
                [sys.executable, __file__, "--one", side, str(seed)], capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(done.stderr)
            found.append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(json.dumps(found[-1]), flush=True)
    print(
        "\n| side | seed | character error | word error | passes | wall s | CPU s | wall s a pass |"
        " peak GB |\n|---|---|---|---|---|---|---|---|---|"
    )
    for r in found:
        print(
            f"| {r['side']} | {r['seed']} | {r['character error']} | {r['word error']} |"
            f" {r['epochs']} | {r['wall']} | {r['cpu']} | {r['wall'] / r['epochs']:.1f} |"
            f" {r['peak GB']} |"
        )

"""Ranking of bodies against full fine-tunes: python bench/ranking.py tune [SET…] --out FILE, then python bench/ranking.py rank --tuned FILE

`tune` fine-tunes each body on each set as the recipe has it (no augmentation) and writes the accuracy on the test rows, a JSON object a line; it goes on where it ended.
`rank` ranks the same bodies by training and validation rows only, and gives Spearman's and Kendall's rank correlation with these accuracies, for several scores."""
import argparse
import json
import tempfile
import time
from pathlib import Path


SETS = {  # many test rows, so that the truth is sharp, and few to learn from, as those have who ask
    "digits": ("image", dict(valid=.08, test=.7), {}),
    "stamps": ("image", dict(valid=.1, test=.4), dict(size=96)),
    "movie": ("text", dict(limit=2400, valid=.08, test=.62), {}),
    "reviews-zh": ("text", dict(limit=2400, valid=.08, test=.62), {}),
}
IMAGE = ["efficientnet_lite0", "efficientnet_lite2", "mobilenet_v2", "untrained:resnet18"]
TEXT = ["all-MiniLM-L6-v2", "multilingual-e5-small", "static:all-MiniLM-L6-v2", "static:multilingual-e5-small"]
BODIES = {  # the fifth is the body of an earlier run, on other data
    "digits": [*IMAGE, "run:stamps/efficientnet_lite0"], "stamps": [*IMAGE, "run:digits/efficientnet_lite0"],
    "movie": [*TEXT, "run:amazon/all-MiniLM-L6-v2"], "reviews-zh": [*TEXT, "run:movie/multilingual-e5-small"],
}


def read(name: str):
    from ftkit import Data
    modality, options, _ = SETS.get(name) or SETS["movie"]
    return getattr(Data, modality)(f"sample:{name}", seed=0, **options)


def body(name: str, folder: Path):
    from ftkit.speech_bodies import load_backbone
    if name.startswith("untrained:"):
        import torch
        torch.manual_seed(0)
        return load_backbone(name.partition(":")[2], pretrained=False)
    if not name.startswith("run:"): return load_backbone(name)
    data, _, own = name.removeprefix("run:").partition("/")
    there = folder / f"{data}-{own.replace(':', '-')}"
    if not there.exists(): tune(data, own, folder)
    return load_backbone(str(there))


def tune(data_name: str, body_name: str, folder: Path) -> dict:
    "One fine-tuning; its model stays in the folder, for others to start from."
    from ftkit import Model, Trainer
    data = read(data_name)
    net = body(body_name, folder)
    model = Model(net, data.task, **(SETS.get(data_name) or SETS["movie"])[2])
    started = time.perf_counter()
    fit = Trainer(model, data, record=False, seed=0).fit()
    seconds, p = time.perf_counter() - started, model.predict(data.test)
    kept = folder / f"{data_name}-{body_name.replace(':', '-')}"
    if body_name in ("efficientnet_lite0", "all-MiniLM-L6-v2", "multilingual-e5-small") and not kept.exists(): model.save(kept)
    return {"set": data_name, "body": body_name, "accuracy": float((p.argmax(1) == data.test.labels).mean()), "train": len(data.train), "test": len(data.test), "seconds": round(seconds, 1), "fit": fit.seconds}


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("what", choices=["tune", "rank"])
    ask.add_argument("sets", nargs="*", default=list(SETS))
    ask.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "ranking.jsonl")
    args = ask.parse_args()
    folder = args.out.with_suffix("")
    folder.mkdir(exist_ok=True, parents=True)
    done = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.exists() else []
    if args.what == "tune":
        for name in args.sets:
            for one in BODIES[name]:
                if any((r["set"], r["body"]) == (name, one) for r in done): continue
                row = tune(name, one, folder)
                with open(args.out, "a") as f: f.write(json.dumps(row) + "\n")
                print(row, flush=True)


if __name__ == "__main__": main()

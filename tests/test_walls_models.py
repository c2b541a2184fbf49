"""Models of others: never code, pinned to a revision, checked field by field; damaged ones end in one kind of error."""
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ftkit.core import UsageError


def small_bert(folder: Path, seed: int = 0, **config) -> Path:
    "A BERT of a few thousand weights, as transformers saves it."
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    words = {w: i for i, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film"])}
    net = BertModel(BertConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, max_position_embeddings=64))
    net.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64).save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


CODE = """
import pathlib
pathlib.Path({mark!r}).write_text("executed")
from transformers import BertConfig, BertModel
class Config(BertConfig): model_type = {kind!r}
class Model(BertModel): config_class = Config
"""


def planted(folder: Path, kind: str, mark: Path) -> Path:
    "A model that brings code."
    where = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": "evil.Model"}
    small_bert(folder, model_type=kind, auto_map=where)
    (folder / "evil.py").write_text(CODE.format(mark=str(mark), kind=kind))
    return folder


@pytest.mark.parametrize("kind", ["bert", "unheard_of"])
def test_a_model_that_asks_for_code_is_refused_with_the_reason(tmp_path, kind):
    from ftkit.backbone import load_backbone

    folder = planted(tmp_path / "m", kind, tmp_path / "EXECUTED")
    with pytest.raises(UsageError, match="asks to execute code"):
        load_backbone(str(folder))
    with pytest.raises(UsageError, match="asks to execute code"):
        load_backbone(f"hf:{folder}")
    assert not (tmp_path / "EXECUTED").exists()


@pytest.mark.parametrize("name", ["tokenizer_config.json", "preprocessor_config.json", "generation_config.json"])
def test_the_other_configs_are_looked_at_too(tmp_path, name):
    from ftkit.backbone import load_backbone

    folder = small_bert(tmp_path / "m")
    path = folder / name
    held = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(held | {"auto_map": {"AutoTokenizer": ["evil.T", None]}}))
    (folder / "evil.py").write_text(CODE.format(mark=str(tmp_path / "EXECUTED"), kind="x"))
    with pytest.raises(UsageError, match=f"auto_map in {name}"):
        load_backbone(str(folder))
    assert not (tmp_path / "EXECUTED").exists()


def test_a_terminal_is_not_asked_either(tmp_path):
    "transformers asks `Do you wish to run the custom code? [y/N]` there; the answer would be yes."
    folder = planted(tmp_path / "m", "unheard_of", tmp_path / "EXECUTED")
    main, end = pty.openpty()
    os.write(main, b"y\ny\ny\n")
    code = f"from ftkit.backbone import load_backbone; load_backbone({str(folder)!r})"
    done = subprocess.run([sys.executable, "-c", code], stdin=end, capture_output=True, text=True, timeout=100, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    os.close(main), os.close(end)
    assert done.returncode and "asks to execute code" in done.stderr and "Do you wish" not in done.stdout + done.stderr
    assert not (tmp_path / "EXECUTED").exists()


def test_every_loader_says_so():
    "Each call of a transformers loader in the package gives trust_remote_code=False, or the options that hold it."
    import re

    import ftkit

    for path in sorted(Path(ftkit.__file__).parent.glob("*.py")):
        for call in re.findall(r"\.(?:from_pretrained|from_config|get_config_dict)\([^\n]*", path.read_text()):
            assert "options" in call or "trust_remote_code=False" in call, (path.name, call)


def in_hub_cache(home: Path, commit: str, seed: int) -> None:
    "A snapshot as huggingface_hub keeps it; main points to it."
    at = home / "hub" / "models--owner--small"
    small_bert(at / "snapshots" / commit, seed)
    (at / "refs").mkdir(exist_ok=True)
    (at / "refs" / "main").write_text(commit)


def test_a_hub_model_stays_at_the_revision_that_was_used(tmp_path):
    first, second = "a1" * 20, "b2" * 20
    home, run = tmp_path / "hf", tmp_path / "run"
    run.mkdir()
    code = "from ftkit.backbone import load_backbone; b = load_backbone({!r}); print(b.revision, b.weights_hash())"
    env = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}

    def load(name="owner/small", **more):
        done = subprocess.run([sys.executable, "-c", code.format(name)], capture_output=True, text=True, env=env | more, timeout=100)
        assert not done.returncode, done.stderr
        return done.stdout.split()

    in_hub_cache(home, first, 0)
    began = load(FTKIT_RUN_DIR=str(run))
    assert began[0] == f"owner/small@{first}"
    in_hub_cache(home, second, 1)  # somebody pushed
    assert load(FTKIT_RUN_DIR=str(run)) == began  # resumed
    other = load(FTKIT_RUN_DIR="")
    assert other[0] == f"owner/small@{second}" and other[1] != began[1]
    assert load(f"owner/small@{first}") == began
    from ftkit.runfolder import noted

    assert noted(run)["hub"] == {"owner/small": first}

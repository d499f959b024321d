"""The model that is timed: a BERT classifier with seeded random weights, and PyTorch's logits for it.

    python -m bench.model make SHAPE FOLDER
    python -m bench.model reference FOLDER TEXTS LOGITS

Speed does not depend on what a model has learned, only on its shape, so nothing has to be downloaded.
Runs in the benchmark's virtual environment.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification

from bench.resident import CHECKED, ROOT
from bench.texts import read

SHAPES = {
    "bert-base": {},
    "minilm": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
}
LABELS = ["positive", "negative", "neutral"]
TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"]
# Standard deviation of the weights, about that of trained ones: attention is far from uniform, so that a wrong mask or
# head shows in the logits.
DEVIATION = 0.04


def make(shape: str) -> BertForSequenceClassification:
    torch.manual_seed(0)
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: number for number, label in enumerate(LABELS)}}
    model = BertForSequenceClassification(BertConfig(**SHAPES[shape], **labels)).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            weights.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, DEVIATION)
    return model


def save(shape: str, folder: Path) -> None:
    make(shape).save_pretrained(folder)
    for name in TOKENIZER:
        shutil.copy(ROOT / "models" / "shipped" / "tapewire-minilm-sentiment" / name, folder)


@torch.inference_mode()
def reference(folder: Path, texts: Path, logits: Path) -> None:
    """In float32, a text at a time: without padding, sorting and masks there is little to get wrong."""
    model = BertForSequenceClassification.from_pretrained(folder).eval()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokens = [tokenizer.encode(text).ids for text in read(texts)[:CHECKED]]
    logits.write_text(json.dumps([model(torch.tensor([ids])).logits[0].tolist() for ids in tokens]))


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "make":
        save(rest[0], Path(rest[1]))
    else:
        reference(*map(Path, rest))

"""Labels, token ids and batches: what training, calibration and evaluation share.

A sample is encoded `[CLS] text [SEP]`, or `[CLS] text [SEP] company [SEP]` with
the company as BERT's second segment. The text reaches the tokenizer as it came
from the wire; nothing is cleaned.
"""

import functools
import json
import os
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification, PretrainedConfig, PreTrainedModel

LABELS = ["positive", "negative", "neutral"]
LABEL_ID = {label: number for number, label in enumerate(LABELS)}
Encoded = tuple[list[int], list[int]]


def labelled_data_folder(given: Path | None) -> Path:
    """The folder of the labelled data: `given`, or TAPEWIRE_LABELLED_DATA."""
    named = given or os.environ.get("TAPEWIRE_LABELLED_DATA")
    if not named:
        raise SystemExit("name the labelled data: --data FOLDER or TAPEWIRE_LABELLED_DATA")
    return Path(named)


def load_samples(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def load_tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    """The tokenizer without padding; a long text is cut, its company never is."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens, strategy="only_first")
    return tokenizer


def widened(stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights in float32. A matrix NAME of 8-bit integers is multiplied by `NAME_scale`, a scale for each row."""
    scaled = {name: tensor for name, tensor in stored.items() if tensor.dtype == torch.int8}
    scales = {f"{name}_scale" for name in scaled}
    whole = {name: tensor.float() for name, tensor in stored.items() if name not in scales}
    return whole | {name: tensor.float() * stored[f"{name}_scale"].float() for name, tensor in scaled.items()}


def load_shipped(folder: Path) -> BertForSequenceClassification:
    """A shipped model, whose stored weights are widened to float32."""
    config = BertConfig.from_dict(json.loads((folder / "config.json").read_text()))
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config._attn_implementation = "eager"
    model = BertForSequenceClassification(config)
    model.load_state_dict(widened(load_file(folder / "model.safetensors")), strict=True)
    return model.float().eval()


@functools.cache
def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16. One that does not takes ten times as long as in float32."""
    processor = Path("/proc/cpuinfo")
    flags = processor.read_text().split() if processor.exists() else []
    return "avx512_bf16" in flags or "amx_bf16" in flags


def encode(tokenizer: Tokenizer, text: str, company: str | None) -> Encoded:
    encoded = tokenizer.encode(text) if company is None else tokenizer.encode(text, company)
    return encoded.ids, encoded.type_ids


def pad(rows: list[Encoded], config: PretrainedConfig) -> dict[str, torch.Tensor]:
    """The rows as a padded batch; without `token_type_ids` if the model has no segments."""
    shape = (len(rows), max(len(ids) for ids, _ in rows))
    batch = {name: torch.zeros(shape, dtype=torch.long) for name in ("token_type_ids", "attention_mask")}
    batch["input_ids"] = torch.full(shape, config.pad_token_id)
    for at, (ids, types) in enumerate(rows):
        batch["input_ids"][at, : len(ids)] = torch.tensor(ids)
        batch["token_type_ids"][at, : len(ids)] = torch.tensor(types)
        batch["attention_mask"][at, : len(ids)] = 1
    if not getattr(config, "type_vocab_size", 0):
        del batch["token_type_ids"]
    return batch


@torch.no_grad()
def predict(model: PreTrainedModel, rows: list[Encoded], bf16: bool, batch_size: int = 32) -> np.ndarray:
    """The logits of each of `rows`, in their order, as float64."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda at: len(rows[at][0]))
    found = []
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            found.append(model(**pad([rows[at] for at in places], model.config)).logits.double().numpy())
    return np.concatenate(found)[np.argsort(order)]

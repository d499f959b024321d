"""Reference logits of PyTorch, against which the inference engine is tested.

Two files, both small enough to commit:

`shipped`    logits of a shipped model on invented headlines. The stored weights are
             widened to float32 and computed in float32.
`bert-base`  logits of a BERT of base size (12 layers, hidden size 768, 12 heads,
             3 labels). Its 438 MB of weights are not stored: both sides make
             them from the formula below.

The weights of `bert-base`
--------------------------
All integers are unsigned 64 bit and wrap. A tensor has the name it has in a
Hugging Face checkpoint, for example `bert.encoder.layer.0.output.dense.bias`,
and is filled in row-major order, i = 0, 1, 2, ...

    seed  = FNV-1a, 64 bit, of the name's UTF-8 bytes
            (offset basis 0xcbf29ce484222325, prime 0x100000001b3)
    z     = seed + (i + 1) * 0x9e3779b97f4a7c15          splitmix64's state
    z     = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
    z     = (z ^ (z >> 27)) * 0x94d049bb133111eb
    z     =  z ^ (z >> 31)                               splitmix64's output
    unit  = float32(z >> 40) * 2^-23 - 1                 exact, in [-1, 1)
    value = unit * 0.07f                                 one float32 rounding
    value = 1 + value                                    second float32 rounding,
                                                         only where the name ends in
                                                         `LayerNorm.weight`

0.07 gives a standard deviation of 0.04, about that of trained BERT weights, so
attention is far from uniform and a wrong head, mask or segment shows up in the
logits. Weight matrices are (out, in) as in the checkpoint; every bias is filled
too. Shapes: vocabulary 30522, hidden 768, intermediate 3072, positions 512,
segments 2, LayerNorm epsilon 1e-12, GELU by the error function.

The JSON's `probes` hold a few values of the generator, so that a wrong formula
is distinguished from a wrong model. `float32_error` is the largest distance of these
float32 logits from the same computation in float64: no engine has to be closer than that.

    python reference_logits.py bert-base
    python reference_logits.py shipped [--model FOLDER]
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from encoding import load_shipped
from reference_inputs import PAIRS
from transformers import BertConfig, BertForSequenceClassification

HERE = Path(__file__).resolve().parent
SHIPPED = HERE.parent / "shipped"
GOLDEN = 0x9E3779B97F4A7C15
SCALE = np.float32(0.07)
LENGTHS = [(2, None), (3, None), (7, None), (16, 11), (33, 25), (64, None), (128, 120), (301, None), (512, 500)]
PROBES = [
    ("bert.embeddings.word_embeddings.weight", [0, 1, 767, 768, 23440895]),
    ("bert.encoder.layer.11.attention.self.query.weight", [0, 589823]),
    ("bert.encoder.layer.0.output.LayerNorm.weight", [0, 767]),
    ("classifier.bias", [0, 1, 2]),
]


def splitmix64(seed: int, index: np.ndarray) -> np.ndarray:
    """The outputs of splitmix64 at `index` (from 0) after `seed`."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (index.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def fnv1a(name: str) -> int:
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def weights(name: str, index: np.ndarray, scale: np.float32 = SCALE) -> np.ndarray:
    """Values of tensor `name` at the flat positions `index`, float32."""
    bits = (splitmix64(fnv1a(name), index) >> np.uint64(40)).astype(np.float32)
    value = (bits * np.float32(2.0**-23) - np.float32(1)) * scale
    return np.float32(1) + value if name.lower().endswith("norm.weight") else value


def bert_base() -> dict:
    config = BertConfig(num_labels=3, attn_implementation="eager")
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            tensor.copy_(torch.from_numpy(weights(name, np.arange(tensor.numel()))).view_as(tensor))
    cases = []
    for number, (length, first_segment) in enumerate(LENGTHS):
        drawn = splitmix64(number, np.arange(length)) % np.uint64(29000) + np.uint64(1000)
        ids = [101, *drawn[1:-1].tolist(), 102]
        types = [int(first_segment is not None and at >= first_segment) for at in range(length)]
        cases.append({"input_ids": ids, "token_type_ids": types})
    single = [forward(model, case) for case in cases]
    model.double()
    error = max(float((forward(model, case) - row).abs().max()) for case, row in zip(cases, single, strict=True))
    for case, row in zip(cases, single, strict=True):
        case["logits"] = row.tolist()
    probes = [
        {"tensor": name, "index": at, "value": float(weights(name, np.array([at]))[0])}
        for name, places in PROBES
        for at in places
    ]
    return {
        "shape": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072, "vocab": 30522, "labels": 3},
        "float32_error": error,
        "probes": probes,
        "cases": cases,
    }


def shipped(folder: Path) -> dict:
    from tokenizers import Tokenizer

    model = load_shipped(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(model.config.max_position_embeddings, strategy="only_first")
    cases = []
    for text, company in PAIRS:
        encoded = tokenizer.encode(text) if company is None else tokenizer.encode(text, company)
        case = {"input_ids": encoded.ids, "token_type_ids": encoded.type_ids}
        cases.append({"text": text, "company": company, **case, "logits": forward(model, case).tolist()})
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    return {"model": folder.name, "sha256": digest, "labels": labels, "cases": cases}


@torch.no_grad()
def forward(model: BertForSequenceClassification, case: dict) -> torch.Tensor:
    ids = torch.tensor([case["input_ids"]])
    types = torch.tensor([case["token_type_ids"]])
    return model(input_ids=ids, token_type_ids=types).logits[0]


def write(path: Path, content: dict) -> None:
    """Writes one case per line, so that a changed case is a changed line."""
    rows = {key: content.pop(key) for key in ("probes", "cases") if key in content}
    parts = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    for key, items in rows.items():
        lines = ",\n".join("  " + json.dumps(item, ensure_ascii=False) for item in items)
        parts.append(f" {json.dumps(key)}: [\n{lines}\n ]")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    print(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", choices=["shipped", "bert-base"])
    parser.add_argument(
        "--model", type=Path, default=SHIPPED / "tapewire-e5-sentiment", help="folder of the shipped model"
    )
    parser.add_argument("--out", type=Path, help="file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.which == "shipped":
        write(args.out or SHIPPED / "reference_logits" / f"{args.model.name}.json", shipped(args.model))
    else:
        write(args.out or HERE / "reference_bert_base.json", bert_base())


if __name__ == "__main__":
    main()

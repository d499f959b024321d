"""Makes the shipped model from checkpoints: averaged, calibrated, its matrices in 8-bit integers.

    python export.py --samples samples.jsonl --checkpoint run1 [run2 ...] --out FOLDER

Several checkpoints are averaged weight by weight (Wortsman et al. 2022). The
linear head is then calibrated on the validation split (calibrate.py): a consumer
takes the softmax of the logits and nothing else.
The matrices of the layers are rounded to 8 bits with a scale for each output,
as compressed-tensors stores them (`int-quantized`); the rest is in half precision.
Every file is written beside FOLDER first and moved into place when all are
complete; a README.md already in FOLDER stays.
"""

import argparse
import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from calibrate import cross_validate, refit_head
from direction import held_out_samples
from encoding import LABEL_ID, LABELS, encode, load_samples, load_tokenizer, predict, widened
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification
from written import written_samples

MAX_POSITIONS = 512
CALIBRATED_ON = ["sentfin", "twitter", "direction"]
RIDGE = 1e-3  # chosen from 1e-4 … 0.3: near the least cross-validated loss on the validation split
SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "mask", "pad", "sep", "unk")}
ROUNDED = re.compile(
    r"bert\.encoder\.layer\.\d+\..*dense\.weight|bert\.encoder\.layer\.\d+\.attention\.self\.\w+\.weight"
)
# How compressed-tensors, and transformers with it, read the rounded matrices.
QUANTIZATION = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "quantization_status": "compressed",
    "ignore": ["bert.pooler.dense", "classifier"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False},
        }
    },
}


def average(checkpoints: list[Path]) -> dict[str, torch.Tensor]:
    found = [load_file(folder / "model.safetensors") for folder in checkpoints]
    return {name: torch.stack([one[name].double() for one in found]).mean(0).float() for name in found[0]}


def config() -> dict:
    """The model's configuration, in the keys that programs which load BERT read."""
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 384,
        "id2label": {str(number): label for number, label in enumerate(LABELS)},
        "label2id": LABEL_ID,
        "initializer_range": 0.02,
        "intermediate_size": 1536,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": MAX_POSITIONS,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
        "problem_type": "single_label_classification",
        "quantization_config": QUANTIZATION,
        # For the inference engine: trained on [CLS] text [SEP] company [SEP].
        "tapewire_reads_company": True,
        "torch_dtype": "float16",
        "type_vocab_size": 2,
        "use_cache": False,
        "vocab_size": 30522,
    }


def build(weights: dict[str, torch.Tensor]) -> BertForSequenceClassification:
    model = BertForSequenceClassification(BertConfig.from_dict(config()))
    model.load_state_dict(weights, strict=True)
    return model.eval()


def rounded(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights as they are stored."""
    stored = {name: tensor.half().contiguous() for name, tensor in weights.items() if not ROUNDED.fullmatch(name)}
    for name in weights.keys() - stored.keys():
        scale = weights[name].abs().amax(1, keepdim=True).clamp_min(1e-8) / 127
        stored[name] = (weights[name] / scale).round().to(torch.int8).contiguous()
        stored[f"{name}_scale"] = scale
    return stored


def calibrate(weights: dict[str, torch.Tensor], tokenizer: Tokenizer, samples: list[dict], sources: list[str]) -> dict:
    """Puts the calibrated head into `weights`. Returns the figures of its cross-validation."""
    encoder = build(weights)
    encoder.classifier = torch.nn.Identity()
    parts, groups = [], []
    samples = [*samples, *held_out_samples(), *written_samples()]
    for source in sources:
        chosen = [s for s in samples if s["source"] == source and s["split"] == "validation"]
        features = predict(encoder, [encode(tokenizer, s["text"], s["company"]) for s in chosen], bf16=False)
        parts.append((features, np.array([LABEL_ID[s["label"]] for s in chosen])))
        groups.append(np.array([s["group"] for s in chosen]))
    head = tuple(weights[f"classifier.{kind}"].double().numpy() for kind in ("weight", "bias"))
    for kind, array in zip(("weight", "bias"), refit_head(parts, head, RIDGE), strict=True):
        weights[f"classifier.{kind}"] = torch.from_numpy(array).float()
    scores = cross_validate(parts, groups, head, RIDGE)
    return {"ridge": RIDGE, "cross_validated": dict(zip(sources, scores, strict=True))}


def write_tokenizer(base: Path, out: Path) -> None:
    """Writes the base tokenizer without truncation and padding, and its vocabulary by itself."""
    tokenizer = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer.update(truncation=None, padding=None)
    (out / "tokenizer.json").write_text(
        json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
    )
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": True,
        "model_max_length": MAX_POSITIONS,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        **SPECIAL,
    }
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    (out / "special_tokens_map.json").write_text(json.dumps(SPECIAL, indent=1) + "\n")
    words = sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1])
    (out / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True, help="output of prepare.py")
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True, help="output of train.py")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base encoder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the shipped model")
    parser.add_argument("--written", action="store_true", help="calibrate on the validation rows of written/, too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    sources = [*CALIBRATED_ON, "written"] if args.written else CALIBRATED_ON

    # Calibrated after rounding, because what is rounded is what is used.
    weights = widened(rounded(average(args.checkpoint)))
    calibration = calibrate(weights, load_tokenizer(args.base, MAX_POSITIONS), load_samples(args.samples), sources)

    fresh = args.out.with_name(args.out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_file(rounded(weights), fresh / "model.safetensors", metadata={"format": "pt"})
    (fresh / "config.json").write_text(json.dumps(config(), indent=1) + "\n")
    write_tokenizer(args.base, fresh)
    runs = [json.loads((folder / "training.json").read_text()) for folder in args.checkpoint]
    (fresh / "training.json").write_text(json.dumps({"calibration": calibration, "runs": runs}, indent=1) + "\n")
    names = sorted(path.name for path in fresh.iterdir())
    sums = [f"{hashlib.sha256((fresh / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (fresh / "SHA256SUMS").write_text("".join(sums))

    args.out.mkdir(parents=True, exist_ok=True)
    for name in [*names, "SHA256SUMS"]:
        (fresh / name).chmod(0o644)
        (fresh / name).replace(args.out / name)
    fresh.rmdir()
    print(f"{args.out}: {json.dumps(calibration)}")


if __name__ == "__main__":
    main()

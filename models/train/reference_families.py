"""Reference logits of PyTorch for each family of models the inference engine runs.

`reference_families.json` holds small models with odd sizes, one for each way in which families differ
from each other. Each has its `config.json`, names and shapes of its tensors as a checkpoint has them,
the logits of a few texts, and `float32_error`, the largest difference from the same computation in float64. The
weights are not stored: they follow from the formula at the head of `reference_logits.py`, with `scale`
in place of 0.07, and 1 added where the name in lower case ends in `norm.weight`.

Every case has token types; models without segments did not get them.

`byte_level_bpe/` holds a vocabulary and merges learned from the invented headlines, and the ids that
RoBERTa's tokenizer gives for these headlines. `sentencepiece_models/` has two sentencepiece models of
these headlines, with the special pieces of DeBERTa and of XLM-R, and the ids that sentencepiece itself gives.

    python reference_families.py
"""

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from reference_inputs import PAIRS
from reference_logits import splitmix64, weights
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoModelForSequenceClassification as Classifier
from transformers import (
    BertConfig,
    CamembertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedConfig,
    RobertaConfig,
    RobertaTokenizer,
    XLMRobertaConfig,
)

HERE = Path(__file__).resolve().parent
SCALE = np.float32(0.25)
VOCABULARY = 97
BPE_VOCABULARY = 400
UNIGRAM_VOCABULARY = 180
LABELS = {0: "neutral", 1: "positive", 2: "negative"}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]

SHARED = {"vocab_size": VOCABULARY, "id2label": LABELS, "label2id": {name: at for at, name in LABELS.items()}}
BERT = {
    **SHARED,
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 72,
    "max_position_embeddings": 40,
}
DISTILBERT = {**SHARED, "dim": 48, "n_layers": 3, "n_heads": 4, "hidden_dim": 72, "max_position_embeddings": 40}
MODERNBERT = {
    **SHARED,
    "hidden_size": 40,
    "num_hidden_layers": 5,
    "num_attention_heads": 5,
    "intermediate_size": 56,
    "max_position_embeddings": 320,
    "local_attention": 16,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
}
# As DeBERTa v3 is fine-tuned: relative positions in buckets, keys and queries of positions shared with those of tokens.
DEBERTA = {
    **BERT,
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "pooler_dropout": 0,
}


def rope(full: float, sliding: float) -> dict:
    thetas = {"full_attention": full, "sliding_attention": sliding}
    return {kind: {"rope_type": "default", "rope_theta": theta} for kind, theta in thetas.items()}


MODELS: dict[str, PreTrainedConfig] = {
    "bert": BertConfig(**BERT, hidden_act="gelu_new"),
    "distilbert": DistilBertConfig(**DISTILBERT),
    "distilbert-relu": DistilBertConfig(**DISTILBERT, activation="relu"),
    "roberta": RobertaConfig(**{**BERT, "max_position_embeddings": 42}, type_vocab_size=1, layer_norm_eps=1e-5),
    "xlm-roberta": XLMRobertaConfig(
        **{**BERT, "max_position_embeddings": 46}, type_vocab_size=1, pad_token_id=5, layer_norm_eps=1e-5
    ),
    "camembert": CamembertConfig(**{**BERT, "max_position_embeddings": 42}, type_vocab_size=1, layer_norm_eps=1e-5),
    "electra": ElectraConfig(**BERT, embedding_size=48),
    "deberta-v3": DebertaV2Config(**{**DEBERTA, "max_position_embeddings": 512}, position_buckets=256),
    "deberta-v3-small-buckets": DebertaV2Config(
        **{**DEBERTA, "num_hidden_layers": 2}, position_buckets=8, max_relative_positions=30, pooler_hidden_act="relu"
    ),
    "deberta-v2": DebertaV2Config(
        **{**DEBERTA, "share_att_key": False, "position_biased_input": True, "norm_rel_ebd": "none"},
        type_vocab_size=2,
        max_relative_positions=16,
        hidden_act="gelu_new",
        layer_norm_eps=1e-5,
    ),
    "deberta-v2-content": DebertaV2Config(
        **{**DEBERTA, "pos_att_type": "c2p", "share_att_key": False, "position_biased_input": True},
        embedding_size=32,
        hidden_act="relu",
    ),
    "modernbert-cls": ModernBertConfig(
        **MODERNBERT,
        rope_parameters=rope(90000.0, 700.0),
        layer_types=["full_attention"] + 4 * ["sliding_attention"],
    ),
    "modernbert-mean": ModernBertConfig(
        **MODERNBERT,
        rope_parameters=rope(5000.0, 300.0),
        classifier_pooling="mean",
        layer_types=[f"{kind}_attention" for kind in ("sliding", "full", "full", "sliding", "sliding")],
        hidden_activation="gelu_new",
        classifier_activation="relu",
        attention_bias=True,
        mlp_bias=True,
        norm_bias=True,
        classifier_bias=True,
    ),
}

# Settings as checkpoints from before transformers 5 spell them.
OLD_SPELLING = {
    "modernbert-cls": {
        "global_rope_theta": 90000.0,
        "local_rope_theta": 700.0,
        "global_attn_every_n_layers": 5,
        "position_embedding_type": "absolute",
        "layer_norm_eps": 1e-5,
    }
}


def model(name: str, config: PreTrainedConfig) -> dict:
    config._attn_implementation = "eager"
    model = Classifier.from_config(config).eval()
    with torch.no_grad():
        for tensor_name, tensor in model.named_parameters():
            values = weights(tensor_name, np.arange(tensor.numel()), SCALE)
            tensor.copy_(torch.from_numpy(values).view_as(tensor))
    has_segments = getattr(config, "type_vocab_size", 0) > 1
    counts_from_padding = "roberta" in name or name == "camembert"
    longest = config.max_position_embeddings - (config.pad_token_id + 1 if counts_from_padding else 0)
    cases = [
        case(number, length)
        for number, length in enumerate([1, 2, 7, 9, 10, 31, 40, 150, longest])
        if length <= longest
    ]
    if counts_from_padding:
        cases[-1]["input_ids"][3:5] = [config.pad_token_id] * 2
        for each in cases:
            each["token_type_ids"] = [0] * len(each["input_ids"])
    single = [forward(model, each, has_segments) for each in cases]
    model.double()
    error = max(
        float((forward(model, each, has_segments) - row).abs().max()) for each, row in zip(cases, single, strict=True)
    )
    for each, row in zip(cases, single, strict=True):
        each["logits"] = row.tolist()
    return {
        "name": name,
        "config": written(name, config),
        "scale": float(SCALE),
        "float32_error": error,
        "tensors": {tensor_name: list(tensor.shape) for tensor_name, tensor in model.state_dict().items()},
        "cases": cases,
    }


def written(name: str, config: PreTrainedConfig) -> dict:
    """The configuration as `save_pretrained` writes it."""
    content = json.loads(config.to_json_string())
    del content["transformers_version"]
    if name in OLD_SPELLING:
        del content["rope_parameters"], content["layer_types"]
        content |= OLD_SPELLING[name]
    return content


def case(number: int, length: int) -> dict:
    ids = (splitmix64(number, np.arange(length)) % np.uint64(VOCABULARY - 6) + np.uint64(6)).tolist()
    return {"input_ids": ids, "token_type_ids": [int(at > length // 2) for at in range(length)]}


@torch.no_grad()
def forward(model: torch.nn.Module, case: dict, has_segments: bool) -> torch.Tensor:
    inputs = {"input_ids": torch.tensor([case["input_ids"]])}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    if has_segments:
        inputs["token_type_ids"] = torch.tensor([case["token_type_ids"]])
    return model(**inputs).logits[0]


def byte_level_bpe(folder: Path) -> None:
    learned = ByteLevelBPETokenizer()
    texts = [text for text, _ in PAIRS]
    learned.train_from_iterator(texts, vocab_size=BPE_VOCABULARY, special_tokens=SPECIAL, show_progress=False)
    folder.mkdir(exist_ok=True)
    learned.save_model(str(folder))
    tokenizer = RobertaTokenizer.from_pretrained(folder)
    pairs = [pair for pair in PAIRS if len(pair[0]) < 300] + [("Up <mask> and </s> down", "A <pad>")]
    cases = [
        {
            "text": text,
            "company": company,
            "input_ids": tokenizer(*filter(lambda part: part is not None, (text, company)))["input_ids"],
        }
        for text, company in pairs
    ]
    lines = ",\n".join(" " + json.dumps(case, ensure_ascii=False) for case in cases)
    (folder / "ids.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


# What sentencepiece replaces before it splits a text: an excerpt of its rules nmt_nfkc, whose table is 240 kB.
RULES = {
    "\u00a0": " ",
    "\u3000": " ",
    "\t": " ",
    "\n": " ",
    "\u200b": "",
    "\ufb01": "fi",
    "\uff21": "A",
    "\u0041\u030a": "\u00c5",
}
# Texts whose spaces and symbols are at the edge of what these rules say.
EDGES = [
    "",
    " ",
    "\u200b",
    "  two  spaces  ",
    "\u00a0\u3000wide\u3000spaces\u00a0",
    "\u200bA\ufb01nance \uff21 A\u030a",
    "\u2581already\u2581escaped",
    "株価 unknown 株 価",
    "a\tb\nc",
]
SENTENCEPIECES: dict[str, dict[str, Any]] = {
    "deberta-v2": {
        "pad_id": 0,
        "bos_id": 1,
        "eos_id": 2,
        "unk_id": 3,
        "pad_piece": "[PAD]",
        "bos_piece": "[CLS]",
        "eos_piece": "[SEP]",
        "unk_piece": "[UNK]",
    },
    "xlm-roberta": {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1},
}


def sentencepieces(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    texts = [text for text, _ in PAIRS if text]
    for family, pieces in SENTENCEPIECES.items():
        learned = io.BytesIO()
        # The model holds the path of the rules, which is why it is a short one.
        with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
            lines = (
                " ".join(f"{ord(c):X}" for c in old) + "\t" + " ".join(f"{ord(c):X}" for c in new)
                for old, new in RULES.items()
            )
            Path("rules.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=learned,
                vocab_size=UNIGRAM_VOCABULARY,
                character_coverage=0.99,
                normalization_rule_tsv="rules.tsv",
                num_threads=1,
                minloglevel=1,
                **pieces,
            )
        (folder / f"{family}.model").write_bytes(learned.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=learned.getvalue())
        # XLM-R puts a padding token before the others, and the unknown token after the special ones.
        moved = family == "xlm-roberta"
        pairs = [pair for pair in PAIRS if len(pair[0]) < 300] + [(text, None) for text in EDGES]
        cases = []
        for text, company in pairs:
            parts = [processor.encode(part) for part in (text, company) if part is not None]
            if moved:
                parts = [[3 if at == 0 else at + 1 for at in part] for part in parts]
            cases.append({"text": text, "company": company} | joined(parts, xlm=moved))
        rows = ",\n".join(" " + json.dumps(case, ensure_ascii=True) for case in cases)
        (folder / f"{family}.json").write_text(f"[\n{rows}\n]\n", encoding="utf-8")


def joined(parts: list[list[int]], *, xlm: bool) -> dict:
    """One or two parts with the special tokens of the family around them."""
    if xlm:
        ids = [0, *parts[0], 2] + [id for part in parts[1:] for id in [2, *part, 2]]
        return {"input_ids": ids, "token_type_ids": [0] * len(ids)}
    ids = [1, *parts[0], 2] + [id for part in parts[1:] for id in [*part, 2]]
    first = len(parts[0]) + 2
    return {"input_ids": ids, "token_type_ids": [int(at >= first) for at in range(len(ids))]}


def main() -> None:
    torch.set_num_threads(1)
    blocks = []
    for name, config in MODELS.items():
        content = model(name, config)
        rows = ",\n".join("    " + json.dumps(case) for case in content.pop("cases"))
        parts = [f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
        blocks.append("  {\n" + ",\n".join([*parts, f'   "cases": [\n{rows}\n   ]']) + "\n  }")
        print(name, content["float32_error"])
    (HERE / "reference_families.json").write_text("[\n" + ",\n".join(blocks) + "\n]\n", encoding="utf-8")
    byte_level_bpe(HERE / "byte_level_bpe")
    sentencepieces(HERE / "sentencepiece_models")


if __name__ == "__main__":
    main()

"""Writes a tiny BERT classifier in both of PyTorch's pickle formats, and its logits.

    python make.py        (torch, transformers)

The state dictionary is spelled as checkpoints of 2019 are: LayerNorm's gamma and beta, and
the buffer of position ids among the weights.
"""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification

HERE = Path(__file__).resolve().parent


def main() -> None:
    torch.manual_seed(7)
    config = BertConfig(
        num_labels=3,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        vocab_size=40,
        max_position_embeddings=16,
        attn_implementation="eager",
    )
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_(torch.randn_like(tensor) * 0.5)
    ids = torch.tensor([[2, 11, 39, 7, 3, 20, 3]])
    types = torch.tensor([[0, 0, 0, 0, 0, 1, 1]])
    with torch.no_grad():
        logits = model(input_ids=ids, token_type_ids=types).logits[0].tolist()
    (HERE / "logits.json").write_text(
        json.dumps({"input_ids": ids[0].tolist(), "token_type_ids": types[0].tolist(), "logits": logits}) + "\n"
    )

    state = model.state_dict()
    for name in [name for name in state if "LayerNorm" in name]:
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        state[old] = state.pop(name)
    state["bert.embeddings.position_ids"] = torch.arange(config.max_position_embeddings).unsqueeze(0)
    torch.save(state, HERE / "zip.bin")
    torch.save(state, HERE / "legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()

"""Exports the model as plain ONNX, the input of both ONNX Runtime and OpenVINO."""

from pathlib import Path

import torch
from transformers import BertForSequenceClassification

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


class Logits(torch.nn.Module):
    """The classifier with three positional inputs, which returns only the logits."""

    def __init__(self, model: BertForSequenceClassification):
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits


def export(folder: Path) -> Path:
    """Writes `plain.onnx` unless it is there; the numbers of texts and of tokens may vary."""
    path = folder / "plain.onnx"
    if path.exists():
        return path
    # ONNX Runtime's fusions recognise attention only in its eager form.
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    ids = torch.arange(5, 37).view(2, 16)
    mask = torch.ones_like(ids)
    mask[0, 10:] = 0
    part = path.with_suffix(".part")
    torch.onnx.export(
        Logits(model),
        (ids, mask, torch.zeros_like(ids)),
        part,
        input_names=INPUTS,
        output_names=["logits"],
        dynamic_axes={name: {0: "texts", 1: "tokens"} for name in INPUTS} | {"logits": {0: "texts"}},
        opset_version=17,
        dynamo=False,
    )
    return part.rename(path)

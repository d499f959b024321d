"""PyTorch through transformers, on length-sorted batches."""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from bench.peers.batches import Scorer, scorer

TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def load(folder: Path, precision: str, threads: int) -> Scorer:
    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=TYPES[precision]).eval()

    @torch.inference_mode()
    def forward(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.float().numpy()

    return scorer(folder, forward)

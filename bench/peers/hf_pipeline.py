"""The Hugging Face pipeline, fed in the order the texts come in: how most projects score news."""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from bench.peers.batches import Scorer
from bench.texts import BATCH


def load(folder: Path, precision: str, threads: int) -> Scorer:
    torch.set_num_threads(threads)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    labels = [model.config.id2label[number] for number in range(model.config.num_labels)]
    classify = pipeline(
        "text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(folder), device="cpu"
    )

    def score(texts: list[str]) -> np.ndarray:
        # "none" leaves logits as they are, for the comparison; a softmax of three numbers costs nothing.
        answers = classify(texts, batch_size=BATCH, truncation=True, top_k=None, function_to_apply="none")
        by_label = [{one["label"]: one["score"] for one in answer} for answer in answers]
        return np.array([[answer[label] for label in labels] for answer in by_label], np.float32)

    return score

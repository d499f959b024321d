"""Batches of texts of about the same length: what a careful user of a padding engine does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from bench.texts import BATCH

Scorer = Callable[[list[str]], np.ndarray]
Forward = Callable[[np.ndarray, np.ndarray], np.ndarray]


def scorer(folder: Path, forward: Forward) -> Scorer:
    """Texts to logits. `forward` takes token ids and attention mask, int64 [texts, tokens], padded with 0."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def score(texts: list[str]) -> np.ndarray:
        ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        by_length = sorted(range(len(ids)), key=lambda text: len(ids[text]))
        logits = [None] * len(ids)
        for start in range(0, len(ids), BATCH):
            batch = by_length[start : start + BATCH]
            for text, row in zip(batch, forward(*_pad([ids[text] for text in batch])), strict=True):
                logits[text] = row
        return np.asarray(logits, np.float32)

    return score


def _pad(batch: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    ids = np.zeros((len(batch), max(map(len, batch))), np.int64)
    mask = np.zeros_like(ids)
    for row, text in enumerate(batch):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return ids, mask

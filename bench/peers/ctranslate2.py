"""CTranslate2: it runs the encoder and the pooler; the classifier is one small product in NumPy."""

from pathlib import Path

import ctranslate2
import numpy as np
from safetensors.numpy import load_file

from bench.peers.batches import Scorer, scorer

TYPES = {"f32": "float32", "int8": "int8"}
CONVERTED = "ctranslate2"


def convert(folder: Path) -> None:
    import shutil
    import tempfile

    from ctranslate2.converters import TransformersConverter
    from transformers import BertConfig, BertForSequenceClassification

    # The converter still reads a setting that transformers 5 no longer has.
    BertConfig.position_embedding_type = "absolute"
    with tempfile.TemporaryDirectory(dir=folder) as encoder:
        BertForSequenceClassification.from_pretrained(folder).bert.save_pretrained(encoder)
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            shutil.copy(folder / name, encoder)
        TransformersConverter(encoder).convert(str(folder / CONVERTED), force=True)


def load(folder: Path, precision: str, threads: int) -> Scorer:
    encoder = ctranslate2.Encoder(
        str(folder / CONVERTED), device="cpu", compute_type=TYPES[precision], intra_threads=threads, inter_threads=1
    )
    weights = load_file(folder / "model.safetensors")
    classifier, bias = weights["classifier.weight"], weights["classifier.bias"]

    def forward(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        # CTranslate2 takes lists without padding and pads them itself.
        batch = [row[:length].tolist() for row, length in zip(ids, mask.sum(1), strict=True)]
        return np.array(encoder.forward_batch(batch).pooler_output) @ classifier.T + bias

    return scorer(folder, forward)

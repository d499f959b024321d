"""Fine-tune the base encoder on the prepared samples.

    python train.py --samples samples.jsonl --out checkpoint --seed 1

AdamW with a linear schedule and learning rates that fall towards the lower
layers (Sun et al. 2019), label smoothing, batches of similar length, bfloat16
where the processor has it. By default the word embeddings stay those of the base
encoder, so that words the training data lacks keep their place beside words it
has, and what is evaluated and written is a running average of the weights. With a
teacher, a larger model trained by the same program, most of the loss is the
distance from its output for the same texts (Hinton et al. 2015). The same seed,
samples and number of threads give the same weights on the same machine. Writes
a float32 checkpoint with its tokenizer, and `training.json` beside it: how it was
trained, and the same of the checkpoint it started from and of its teacher.
"""

import argparse
import json
import math
import random
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from augment import Augmenter, Rates, Varied
from direction import draw_rows, held_out_samples
from encoding import LABEL_ID, LABELS, encode, has_bf16, load_samples, load_tokenizer, pad, predict
from relabel import relabel
from tokenizers import Tokenizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import AutoModelForSequenceClassification, PreTrainedModel
from written import written_samples

MAX_TOKENS = 128
HEAD_SEED = 0
AVERAGE_EVERY, AVERAGE_DECAY = 5, 0.99  # in steps; the average covers about 500 steps
TEACHER_SHARE, TEACHER_TEMPERATURE = 0.8, 2.0  # share of the loss; divisor of both models' logits


def load_model(folder: Path) -> PreTrainedModel:
    """A checkpoint, or the base encoder under a head that is the same for every seed."""
    torch.manual_seed(HEAD_SEED)
    return AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=len(LABELS), id2label=dict(enumerate(LABELS)), label2id=LABEL_ID, dtype=torch.float32
    )


def parameter_groups(model: PreTrainedModel, rate: float, layer_decay: float) -> list[dict]:
    """One group per layer and kind of parameter. Each layer's rate is `layer_decay` times that of the layer above."""
    layers, encoder = model.config.num_hidden_layers, f"{model.base_model_prefix}."
    groups: dict[tuple, dict] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith(f"{encoder}encoder.layer."):
            depth = layers - int(name.split(".")[3])
        else:
            depth = 0 if "pooler" in name or not name.startswith(encoder) else layers + 1
        decay = 0.0 if name.endswith("bias") or "LayerNorm" in name else 0.01
        group = groups.setdefault(
            (depth, decay), {"params": [], "lr": rate * layer_decay**depth, "weight_decay": decay}
        )
        group["params"].append(parameter)
    return list(groups.values())


def batches(rows: list, size: int, rng: random.Random) -> list[list]:
    """Rows in random batches of similar length: sorted within windows of 20 batches."""
    window = size * 20
    found = []
    for start in range(0, len(rows), window):
        near = sorted(rows[start : start + window], key=lambda row: len(row[0][0]))
        found += [near[at : at + size] for at in range(0, len(near), size)]
    rng.shuffle(found)
    return found


class Loss:
    """Cross entropy of the labels, and with a teacher the divergence from its output for the same texts."""

    def __init__(self, smoothing: float, teacher: Path | None):
        self.of_labels = torch.nn.CrossEntropyLoss(label_smoothing=smoothing, reduction="none")
        self.teacher = teacher and load_model(teacher).eval()
        self.tokenizer = teacher and load_tokenizer(teacher, MAX_TOKENS)

    def __call__(self, logits: torch.Tensor, batch: list[Varied], untaught: frozenset[Varied]) -> torch.Tensor:
        """The mean over the batch. The teacher has no say in the rows of `untaught`: there the labels count alone."""
        losses = self.of_labels(logits, torch.tensor([LABEL_ID[label] for _, _, label in batch]))
        taught = [at for at, row in enumerate(batch) if row not in untaught]
        if not self.teacher or not taught:
            return losses.mean()
        asked = [encode(self.tokenizer, text, company) for text, company, _ in (batch[at] for at in taught)]
        said = torch.from_numpy(predict(self.teacher, asked, bf16=has_bf16()))
        softened = [x.float().div(TEACHER_TEMPERATURE).log_softmax(-1) for x in (logits[taught], said)]
        distance = torch.nn.functional.kl_div(*softened, reduction="none", log_target=True).sum(-1)
        mixed = losses.clone()
        mixed[taught] = (1 - TEACHER_SHARE) * losses[taught] + TEACHER_SHARE * TEACHER_TEMPERATURE**2 * distance
        return mixed.mean()


def accuracy_by_source(model: PreTrainedModel, tokenizer: Tokenizer, samples: list[dict]) -> dict[str, float]:
    found = {}
    for source in sorted({s["source"] for s in samples}):
        part = [s for s in samples if s["source"] == source]
        logits = predict(model, [encode(tokenizer, s["text"], s["company"]) for s in part], bf16=has_bf16())
        truth = np.array([LABEL_ID[s["label"]] for s in part])
        found[source] = round(float((logits.argmax(1) == truth).mean()), 4)
    return found


def train(
    model: PreTrainedModel, tokenizer: Tokenizer, samples: list[dict], loss_of: Loss, args: argparse.Namespace
) -> tuple[PreTrainedModel, list[dict]]:
    """The model to keep, and its accuracy after each epoch on what it was not trained on."""
    model.get_input_embeddings().requires_grad_(args.train_words)
    for layer in model.base_model.encoder.layer[: args.frozen_layers]:
        layer.requires_grad_(False)
    running = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY)) if args.average else None
    judged = running.module if running else model
    rng = random.Random(args.seed)
    augmenter = Augmenter([s for s in samples if s["split"] == "train"], Rates(code=args.code_rate))
    written = written_samples() if args.written else []
    writer = Augmenter([s for s in written if s["split"] == "train"], Rates(code=args.code_rate))
    watched = [s for s in samples + written if s["split"] in ("validation", "dev")] + (
        held_out_samples() if args.direction else []
    )
    relabelled = {(s["text"], s["company"]) for s in augmenter.samples if "relabelled" in s}
    optimizer = torch.optim.AdamW(parameter_groups(model, args.rate, args.layer_decay), fused=True)
    kept = math.ceil(len(augmenter.samples) * args.share)
    per_epoch = math.ceil((kept + args.direction + args.written * len(writer.samples)) / args.batch)
    total = args.steps or per_epoch * args.epochs
    warm = max(1, total // 16)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda at: min((at + 1) / warm, max(0.0, (total - at) / max(1, total - warm)))
    )
    history, step, losses, started = [], 0, [], time.monotonic()
    while step < total:
        model.train()
        drawn = augmenter.epoch(rng)[: kept if args.share < 1 else None]
        made = draw_rows(rng, args.direction) + [row for _ in range(args.written) for row in writer.epoch(rng)]
        untaught = frozenset(made) | {row for row in drawn if row[:2] in relabelled}
        if made:
            drawn += made
            rng.shuffle(drawn)
        rows = [(encode(tokenizer, text, company), (text, company, label)) for text, company, label in drawn]
        for batch in batches(rows, args.batch, rng)[: min(per_epoch, total - step)]:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=has_bf16()):
                logits = model(**pad([row for row, _ in batch], model.config)).logits
            loss = loss_of(logits.float(), [varied for _, varied in batch], untaught)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            step += 1
            if running and step % AVERAGE_EVERY == 0:
                running.update_parameters(model)
            if step % 50 == 0:
                print(
                    f"step {step}/{total} loss {np.mean(losses[-50:]):.4f} {time.monotonic() - started:.0f} s",
                    flush=True,
                )
        history.append({"step": step, "accuracy": accuracy_by_source(judged, tokenizer, watched)})
        print(json.dumps(history[-1]), flush=True)
    return judged, history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True, help="output of prepare.py")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base encoder")
    parser.add_argument(
        "--start", type=Path, help="checkpoint to continue from (default: the base encoder under a new head)"
    )
    parser.add_argument(
        "--teacher", type=Path, help="checkpoint of a larger model to learn from (default: the labels alone)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=0, help="stop after this many steps, whatever the epochs")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-4, help="learning rate of the head")
    parser.add_argument("--layer-decay", type=float, default=0.9)
    parser.add_argument(
        "--frozen-layers", type=int, default=0, help="how many layers, from the lowest, keep their weights"
    )
    parser.add_argument("--smoothing", type=float, default=0.1)
    parser.add_argument("--train-words", action="store_true", help="train the word embeddings too")
    parser.add_argument(
        "--no-average", dest="average", action="store_false", help="keep the last weights, not their running average"
    )
    parser.add_argument("--direction", type=int, default=0, help="rows that direction.py makes for each epoch")
    parser.add_argument("--written", type=int, default=0, help="how often each row of written/ is drawn in an epoch")
    parser.add_argument("--share", type=float, default=1.0, help="share of the training samples in each epoch")
    parser.add_argument("--code-rate", type=float, default=Rates.code, help="see augment.Rates.code")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    model, tokenizer = load_model(args.start or args.base), load_tokenizer(args.base, MAX_TOKENS)
    loss_of = Loss(args.smoothing, args.teacher)
    torch.manual_seed(args.seed)
    kept, history = train(model, tokenizer, relabel(load_samples(args.samples)), loss_of, args)
    kept.save_pretrained(args.out)
    tokenizer.save(str(args.out / "tokenizer.json"))
    folders = {name: getattr(args, name) for name in ("base", "start", "teacher") if getattr(args, name)}
    recipe = {key: value for key, value in vars(args).items() if not isinstance(value, Path)}
    recipe |= {name: folder.name for name, folder in folders.items()} | {"rates": asdict(Rates(code=args.code_rate))}
    told = {name: folder / "training.json" for name, folder in folders.items()}
    earlier = {name: json.loads(path.read_text()) for name, path in told.items() if path.exists()}
    (args.out / "training.json").write_text(
        json.dumps({"recipe": recipe, "history": history, **earlier}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()

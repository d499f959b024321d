"""Calibration: the head fitted again on validation data, and the error that this lowers.

Label smoothing leaves confidences crowded just below 1, which no temperature
(Guo et al. 2017) spreads out again. So after the temperature the linear head is
fitted again to the pooled features of the validation split, with a ridge that
keeps it near its old weights. It stays a linear head: a consumer takes the softmax and no more.
"""

import numpy as np
import torch

BINS = 15
Part = tuple[np.ndarray, np.ndarray]  # features or logits, and the true labels
Head = tuple[np.ndarray, np.ndarray]  # weight (labels, features) and bias


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def negative_log_likelihood(logits: np.ndarray, truth: np.ndarray) -> float:
    return float(-log_softmax(logits)[np.arange(len(truth)), truth].mean())


def expected_calibration_error(logits: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance of confidence from accuracy over 15 equal bins of confidence, weighted by size."""
    probabilities = np.exp(log_softmax(logits))
    confidence, right = probabilities.max(1), probabilities.argmax(1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return float(sum(abs(right[bins == b].sum() - confidence[bins == b].sum()) for b in range(BINS)) / len(truth))


def error_by_chance(logits: np.ndarray, resamples: int = 200) -> float:
    """The calibration error that is to be expected of a perfectly calibrated model of these confidences.

    The truth is drawn from the probabilities themselves, so the error that is left comes from the size of the sample.
    """
    draw = np.random.default_rng(1)
    drawn = ((logits + draw.gumbel(size=logits.shape)).argmax(1) for _ in range(resamples))
    return float(np.mean([expected_calibration_error(logits, truth) for truth in drawn]))


def fit_temperature(parts: list[Part]) -> float:
    """The temperature with the least negative log likelihood, every part (logits, truth) weighing the same.

    The loss is smooth and has one minimum in the temperature, so a fine grid finds it.
    """
    grid = np.exp(np.linspace(np.log(0.25), np.log(4), 801))
    losses = [sum(negative_log_likelihood(logits / t, truth) for logits, truth in parts) for t in grid]
    return float(grid[int(np.argmin(losses))])


def apply_head(head: Head, features: np.ndarray) -> np.ndarray:
    return features @ head[0].T + head[1]


def refit_head(parts: list[Part], head: Head, ridge: float) -> Head:
    """The head divided by its temperature and then fitted to `parts` under the ridge.

    Minimises the mean negative log likelihood, every part weighing the same, plus
    `ridge` times the squared distance of the weights from the starting ones. The
    sum is convex, so the starting point does not decide the result.
    """
    temperature = fit_temperature([(apply_head(head, features), truth) for features, truth in parts])
    start, bias = (torch.tensor(array / temperature, dtype=torch.float64) for array in head)
    weight, bias = start.clone().requires_grad_(), bias.requires_grad_()
    data = [(torch.tensor(features), torch.tensor(truth)) for features, truth in parts]
    search = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        search.zero_grad()
        fit = sum(torch.nn.functional.cross_entropy(x @ weight.T + bias, truth) for x, truth in data) / len(data)
        total = fit + ridge * ((weight - start) ** 2).sum()
        total.backward()
        return total

    search.step(loss)
    return weight.detach().numpy(), bias.detach().numpy()


def cross_validate(parts: list[Part], groups: list[np.ndarray], head: Head, ridge: float, folds: int = 5) -> list[dict]:
    """For each part the figures of heads fitted without the sample's fold; groups stay in one fold."""
    found = [np.zeros((len(truth), len(head[1]))) for _, truth in parts]
    for fold in range(folds):
        out = [group % folds == fold for group in groups]
        fitted = refit_head([(x[~o], truth[~o]) for (x, truth), o in zip(parts, out, strict=True)], head, ridge)
        for logits, (features, _), o in zip(found, parts, out, strict=True):
            logits[o] = apply_head(fitted, features[o])
    return [
        {
            "accuracy": round(float((logits.argmax(1) == truth).mean()), 4),
            "loss": round(negative_log_likelihood(logits, truth), 4),
            "ece": round(expected_calibration_error(logits, truth), 4),
        }
        for logits, (_, truth) in zip(found, parts, strict=True)
    ]

"""Temperature scaling (Guo et al. 2017) and the calibration error it lowers."""

import numpy as np

BINS = 15


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


def fit_temperature(parts: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """The temperature of least likelihood loss, every part (logits, truth) weighing the same.

    The loss is smooth and has one minimum in the temperature, so a fine grid finds it.
    """
    grid = np.exp(np.linspace(np.log(0.25), np.log(4), 801))
    losses = [sum(negative_log_likelihood(logits / t, truth) for logits, truth in parts) for t in grid]
    return float(grid[int(np.argmin(losses))])

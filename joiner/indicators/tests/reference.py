"""Writes reference.csv, what the indicators are compared with: values of TA-Lib, and of numpy where TA-Lib has none.

python3 -m venv /tmp/talib && /tmp/talib/bin/pip install TA-Lib==0.8.2 numpy
/tmp/talib/bin/python joiner/indicators/tests/reference.py
"""

import csv
import math
from pathlib import Path

import numpy as np
import talib

BARS = 110
# Price at the beginning, and the size of a step in parts of it. In `pauses` every third 7 bars have one price.
SERIES = {"share": (187.5, 0.001), "penny": (0.0004, 0.02), "index": (512_000.0, 0.0005), "pauses": (42.0, 0.002)}


def bars(name: str, seed: int) -> list[tuple[float, float, float, float, float]]:
    """Open, high, low, close and volume; random numbers from a linear congruential generator."""
    price, step = SERIES[name]
    made = []
    for number in range(BARS):
        draws = []
        for _ in range(4):
            seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
            draws.append((seed >> 11) / 2**53)
        opened = price
        if not (name == "pauses" and number // 7 % 3 == 1):
            # Now and then a step is far larger than the others.
            price *= math.exp(step * (draws[0] - 0.49) * (12 if number % 37 == 36 else 2))
        high = max(opened, price) * (1 + step * draws[1])
        low = min(opened, price) * (1 - step * draws[2])
        made.append((opened, high, low, price, float(round(1 + 900 * draws[3]))))
    return made


def own(rows: np.ndarray) -> dict[str, np.ndarray]:
    """What TA-Lib does not have."""
    high, low, close, volume = rows[:, 1], rows[:, 2], rows[:, 3], rows[:, 4]
    returns = np.concatenate([[np.nan], np.diff(np.log(close))])
    volatility, distance = np.full(len(close), np.nan), np.full(len(close), np.nan)
    for end in range(len(close)):
        if end >= 30:
            volatility[end] = np.sqrt(np.sum(returns[end - 29 : end + 1] ** 2))
        before = returns[max(end - 60, 0) : end]
        before = before[~np.isnan(before)]
        if len(before) >= 30:
            center = np.median(before)
            deviation = 1.482602218505602 * np.median(np.abs(before - center))
            distance[end] = (returns[end] - center) / deviation if deviation > 0 else np.nan
    vwap = np.cumsum((high + low + close) / 3 * volume) / np.cumsum(volume)
    return {"vwap": vwap, "log_return": returns, "realized_volatility": volatility, "robust_z": distance}


def main() -> None:
    with Path(__file__).with_name("reference.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for seed, name in enumerate(SERIES):
            rows = np.array(bars(name, seed))
            close = rows[:, 3].copy()
            upper, middle, lower = talib.BBANDS(close, 20, 2.0, 2.0)
            macd, signal, histogram = talib.MACD(close, 12, 26, 9)
            values = {
                "sma": middle,
                "ema": talib.EMA(close, 20),
                "bollinger_upper": upper,
                "bollinger_lower": lower,
                "rsi": talib.RSI(close, 14),
                "macd": macd,
                "macd_signal": signal,
                "macd_histogram": histogram,
                "momentum": talib.MOM(close, 10),
                **own(rows),
            }
            if seed == 0:
                writer.writerow(["series", "open", "high", "low", "close", "volume", *values])
            for number, row in enumerate(rows):
                found = ["" if math.isnan(value[number]) else repr(float(value[number])) for value in values.values()]
                writer.writerow([name, *(repr(float(value)) for value in row), *found])


if __name__ == "__main__":
    main()

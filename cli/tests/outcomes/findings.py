"""The numbers of a study, computed a second time by other means.

    findings.py --rows ROWS.jsonl --findings FINDINGS.json [--bars BARS.csv --benchmark SYMBOL]
        computes from the joined rows of `tapewire join` what `tapewire study --json` found, with pandas, scipy and
        statsmodels, which share no code with the study; with --bars also the days after the entry, from closes of bars
        that end by the close. Exit 1 on any difference

Numbers must agree within 1e-9 of their size, and the bounds of an interval within 1e-9 of the larger bound,
because a bound near 0 is the difference of two larger numbers. What is drawn at random, which are the permutation
p-values and the bootstrap intervals, is drawn again and compared within the error of both draws.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.sandwich_covariance import S_hac_simple

TOLERANCE = 1e-9
ESTIMATES = ["rank_ic", "positive", "neutral", "negative", "hit_rate", "spread"]
DAY_TESTS = ["patell", "bmp", "kolari_pynnonen", "corrado", "generalized_sign", "cross_sectional"]
ESTIMATION_DAYS, GAP_DAYS, MINIMUM_ESTIMATION = 120, 10, 60
DRAWS = 2000


class Differences:
    """Counts comparisons, and prints those that differ."""

    def __init__(self) -> None:
        self.compared = 0
        self.different = 0

    def number(
        self, what: str, found: float, expected: float, relative: float = TOLERANCE, size: float | None = None
    ) -> None:
        """Both may differ by `relative` times `size`, which is by default the size of `expected`."""
        self.compared += 1
        if not abs(found - expected) <= relative * max(size or abs(expected), 1e-6):
            self.different += 1
            print(f"{what}: {found!r}, but computed here it is {expected!r}")

    def same(self, what: str, found: object, expected: object) -> None:
        self.compared += 1
        if found != expected:
            self.different += 1
            print(f"{what}: {found!r}, but computed here it is {expected!r}")


def schedule() -> pd.DataFrame:
    return exchange_calendars.get_calendar("XNYS", start="2020-01-01", end="2026-12-31").schedule


def micros(moments: pd.Series) -> np.ndarray:
    """Microseconds since 1970 UTC of moments with a zone."""
    return moments.dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]").astype("int64").to_numpy()


# ---------------------------------------------------------------- events


def sample(rows: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """The events: scored and entered. The study has to count stories that are told again, too: `--novelty all`."""
    rows = rows[rows["reason"] != "withdrawn"].copy()
    for column in ["available_at", "entry_at"]:
        rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601")
    keys = ["available_at", "provider", "article_id", "symbol"]
    rows = rows.sort_values(keys, kind="stable").reset_index(drop=True)
    rows["article"] = rows.groupby(["provider", "article_id"], sort=False).ngroup()
    events = rows[(rows["reason"] == "") & (rows["unscored"] == "") & rows["entry_at"].notna()].copy()
    events["session"] = np.searchsorted(micros(schedule()["open"]), micros(events["entry_at"]), side="right") - 1
    prefix = "ar_" if outcome == "abnormal" else "ret_"
    names = [column.removeprefix("ret_") for column in rows.columns if column.startswith("ret_")]
    for name in names:
        events[f"outcome {name}"] = events[prefix + name]
    return events


def at(events: pd.DataFrame, horizon: str) -> pd.DataFrame:
    """The events that count at a horizon: with an outcome, and none that overlaps an earlier one of its company."""
    own = events[events[f"outcome {horizon}"].notna()].copy()
    own["y"] = own[f"outcome {horizon}"].astype(float)
    own["overlaps"] = horizon == "next_close"
    sessions = {"close": 1, "next_open": 1, "next_close": 2}
    if horizon in sessions:
        times, window = own["session"].astype("int64"), sessions[horizon]
    else:
        times, window = pd.Series(micros(own["entry_at"])), int(horizon.removesuffix("m")) * 60_000_000
    return own[without_overlaps(own["symbol"], times, window)]


def without_overlaps(symbols: pd.Series, times: pd.Series, window: int) -> np.ndarray:
    kept = np.zeros(len(symbols), dtype=bool)
    last: dict[str, int] = {}
    for place in np.argsort(times.to_numpy(), kind="stable"):
        symbol, time = symbols.iloc[place], int(times.iloc[place])
        if symbol not in last or time - last[symbol] >= window:
            last[symbol] = time
            kept[place] = True
    return kept


def clusters(own: pd.DataFrame) -> np.ndarray:
    """The cluster of each event, a column for each kind of clusters."""
    session, article = own["session"].to_numpy(), own["article"].to_numpy()
    if "overlaps" in own and own["overlaps"].any():
        place = np.unique(session, return_inverse=True)[1]
        return np.column_stack([place // 2, (place + 1) // 2])
    spans = own.groupby("article")["session"].transform("nunique").to_numpy() > 1
    if not spans.any():
        return session[:, None]
    return np.column_stack([session, np.where(spans, 2 * article + 1, 2 * session)])


# ---------------------------------------------------------------- statistics


def jackknife(x: np.ndarray, y: np.ndarray, by: np.ndarray, column: int) -> tuple[float, float, float, int]:
    """A coefficient, its t and p by the jackknife over clusters of one or two kinds, and the degrees of freedom."""
    full = sm.OLS(y, x).fit().params[column]

    def variance(labels: np.ndarray) -> tuple[float, int]:
        groups = np.unique(labels)
        left = np.array([sm.OLS(y[labels != g], x[labels != g]).fit().params[column] for g in groups])
        count = len(groups)
        return float((count - 1) / count * np.sum((left - full) ** 2)), count

    kinds = [variance(labels) for labels in by.T]
    variances = [one for one, _ in kinds]
    if len(kinds) == 2:
        both = np.unique(by, axis=0, return_inverse=True)[1].ravel()
        variances.append(sum(variances) - variance(both)[0])
    count = min(count for _, count in kinds)
    t = full / np.sqrt(max(variances))
    return full, t, 2 * stats.t.sf(abs(t), count - 1), count - 1


def mean_of(y: np.ndarray, by: np.ndarray) -> tuple[float, float, float, int]:
    return jackknife(np.ones((len(y), 1)), y, by, 0)


def standardized(values: np.ndarray) -> np.ndarray:
    ranks = stats.rankdata(values)
    return (ranks - ranks.mean()) / ranks.std()


def fifths(scores: np.ndarray) -> np.ndarray:
    edges = np.quantile(scores, [0.2, 0.4, 0.6, 0.8])
    return np.searchsorted(edges, scores, side="left")


def estimate(name: str, own: pd.DataFrame) -> tuple[float, float, float, int]:
    score, y, by = own["score"].to_numpy(float), own["y"].to_numpy(), clusters(own)
    if name == "rank_ic":
        x = sm.add_constant(standardized(score))
        value, t, p, df = jackknife(x, standardized(y), by, 1)
        assert abs(value - stats.spearmanr(score, y).statistic) < 1e-12
        return value, t, p, df
    if name == "hit_rate":
        counts = (score != 0) & (y != 0)
        hits = np.where((score[counts] > 0) == (y[counts] > 0), 0.5, -0.5)
        value, t, p, df = mean_of(hits, by[counts])
        return value + 0.5, t, p, df
    if name == "spread":
        fifth = fifths(score)
        ends = (fifth == 0) | (fifth == 4)
        return jackknife(sm.add_constant((fifth[ends] == 4).astype(float)), y[ends], by[ends], 1)
    of_class = (own["label"] == name).to_numpy()
    return mean_of(y[of_class], by[of_class])


def check_estimate(
    told: Differences,
    what: str,
    found: dict[str, Any],
    own: tuple[float, float, float, int],
    moved: float = 0.0,
    limits: tuple[float, float] = (-np.inf, np.inf),
) -> None:
    value, t, p, df = own
    told.number(f"{what} estimate", found["estimate"], value)
    told.number(f"{what} t", found["t"], t)
    told.number(f"{what} p", found["p"], p)
    told.same(f"{what} df", found["df"], float(df))
    half = stats.t.ppf(0.975, df) * (value - moved) / t
    least, most = limits
    for end, one in [("low", value - abs(half)), ("high", value + abs(half))]:
        told.number(f"{what} {end}", found[end], min(max(one, least), most), size=abs(value) + abs(half))


def newey_west(own: pd.DataFrame, overlap: int) -> tuple[float, float, float, int]:
    """Driscoll and Kraay's interval of the rank IC."""
    x, y = sm.add_constant(standardized(own["score"].to_numpy(float))), standardized(own["y"].to_numpy())
    fit = sm.OLS(y, x).fit()
    scores = pd.DataFrame(x * fit.resid[:, None]).groupby(own["session"].to_numpy()).sum().to_numpy()
    periods, (n, k) = len(scores), x.shape
    lags = max(int(np.floor(4 * (periods / 100) ** (2 / 9))), overlap)
    bread = np.linalg.inv(x.T @ x)
    covariance = bread @ S_hac_simple(scores, lags) @ bread * periods / (periods - 1) * (n - 1) / (n - k)
    error = np.sqrt(covariance[1, 1])
    half = stats.t.ppf(0.975, periods - 1) * error
    return max(fit.params[1] - half, -1.0), min(fit.params[1] + half, 1.0), error, lags


def bootstrap(own: pd.DataFrame, overlap: int) -> tuple[float, float, float]:
    """The interval by blocks of days, with random numbers of its own."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"x": standardized(own["score"].to_numpy(float)), "y": standardized(own["y"].to_numpy()), "d": own["session"]}
    )
    days = [group[["x", "y"]].to_numpy() for _, group in frame.groupby("d")]
    count = len(days)
    length = min(max(int(np.ceil(np.cbrt(count))), overlap + 1), count)
    found = []
    for _ in range(DRAWS):
        drawn: list[int] = []
        while len(drawn) < count:
            start = int(random.integers(count))
            drawn += [(start + step) % count for step in range(min(length, count - len(drawn)))]
        both = np.concatenate([days[day] for day in drawn])
        found.append(np.corrcoef(both[:, 0], both[:, 1])[0, 1])
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975)), float(np.std(found, ddof=1))


def permutation(own: pd.DataFrame) -> float:
    """Exchanges the scores of whole articles with those of articles of the same day about as many companies."""
    random = np.random.default_rng(2)
    frame = own.assign(own_score=stats.rankdata(own["score"]), own_y=stats.rankdata(own["y"])).reset_index(drop=True)
    articles: dict[tuple[int, int], list[np.ndarray[Any, Any]]] = {}
    for (session, _), rows in frame.groupby(["session", "article"], sort=False):
        articles.setdefault((session, len(rows)), []).append(rows.index.to_numpy())
    # For each day and number of companies, a table of scores and one of outcomes: a row for each article, a column for
    # each of its companies.
    tables = []
    for places in (np.stack(own) for own in articles.values()):
        score, y = frame["own_score"].to_numpy()[places], frame["own_y"].to_numpy()[places]
        tables.append((score - score.mean(axis=0), y - y.mean(axis=0)))
    observed = abs(sum((score * y).sum() for score, y in tables))
    extreme = 0
    for _ in range(DRAWS):
        extreme += abs(sum((random.permutation(score) * y).sum() for score, y in tables)) >= observed * (1 - 1e-12)
    return (1 + extreme) / (1 + DRAWS)


def horizons(told: Differences, events: pd.DataFrame, findings: dict[str, Any]) -> list[tuple[float, float]]:
    """Compares each horizon, and returns every p-value with the adjusted one that was found."""
    tests = []
    for found in findings["horizons"]:
        name = found["horizon"]
        own = at(events, name)
        told.same(f"{name} n", found["n"], len(own))
        told.same(f"{name} days", found["days"], own["session"].nunique())
        if len(own):
            told.same(f"{name} clusters", found["clusters"], min(len(np.unique(kind)) for kind in clusters(own).T))
        told.same(f"{name} without an outcome", found["without_outcome"], int(events[f"outcome {name}"].isna().sum()))
        for what in ESTIMATES:
            value = found[what].get("value")
            if value is None:
                continue
            computed = estimate(what, own)
            limits = {"hit_rate": (0.0, 1.0), "rank_ic": (-1.0, 1.0)}.get(what, (-np.inf, np.inf))
            check_estimate(told, f"{name} {what}", value, computed, 0.5 if what == "hit_rate" else 0.0, limits)
            tests.append((computed[2], value["p_adjusted"]))
        if found["rank_ic"].get("value") is None:
            continue
        overlap = int(name in ("next_open", "next_close"))
        band = found["rank_ic_newey_west"]["value"]
        low, high, error, lags = newey_west(own, overlap)
        told.same(f"{name} lags", band["span"], lags)
        for what, one in [("low", low), ("high", high), ("standard_error", error)]:
            size = None if what == "standard_error" else max(-low, high)
            told.number(f"{name} Newey-West {what}", band[what], one, size=size)
        band = found["rank_ic_bootstrap"]["value"]
        for what, one in zip(["low", "high", "standard_error"], bootstrap(own, overlap), strict=True):
            # Such a percentile of 2,000 draws has a standard error of about 0.06 standard deviations of the draws, more
            # if they are skewed.
            told.number(f"{name} bootstrap {what}", band[what] - one + 1, 1, 0.5 * band["standard_error"])
        p, again = found["permutation"]["value"]["p"], permutation(own)
        told.number(f"{name} permutation p", p - again + 1, 1, 5 * np.sqrt(0.25 / DRAWS))
        quantiles = found["quantiles"]["value"]
        fifth = fifths(own["score"].to_numpy(float))
        for number, quantile in enumerate(quantiles):
            part = own[fifth == number]
            told.same(f"{name} fifth {number} n", quantile["n"], len(part))
            value = quantile["mean"].get("value")
            if value is not None:
                by = clusters(own)[fifth == number]
                check_estimate(told, f"{name} fifth {number}", value, mean_of(part["y"].to_numpy(), by))
    return tests


# ---------------------------------------------------------------- days after the entry


def close_to_close_returns(path: Path) -> pd.DataFrame:
    """Log returns from close to close, by session position and symbol; only from one session to the next."""
    bars = pd.read_csv(path)
    start = micros(pd.to_datetime(bars["start"], utc=True, format="ISO8601"))
    sessions = schedule()
    bars["session"] = np.searchsorted(micros(sessions["open"]), start, side="right") - 1
    bars = bars[start < micros(sessions["close"])[bars["session"]]]
    last = bars.sort_values("start").groupby(["session", "symbol"])["close"].last().unstack()
    last = last.reindex(range(last.index.min(), last.index.max() + 1))
    return np.log(last / last.shift(1))


def follow(events: pd.DataFrame, returns: pd.DataFrame, benchmark: str | None, days: int) -> list[dict[str, Any]]:
    """The abnormal returns of each event's days."""
    followed = []
    for row in events.itertuples():
        if row.symbol not in returns:
            continue
        before = range(row.session - GAP_DAYS - ESTIMATION_DAYS, row.session - GAP_DAYS)
        after = range(row.session + 1, row.session + 1 + days)
        own = returns[row.symbol].reindex([*before, *after]).to_numpy()
        columns = [np.ones(len(own))]
        if benchmark:
            columns.append(returns[benchmark].reindex([*before, *after]).to_numpy())
        x = np.column_stack(columns)
        whole = ~np.isnan(own) & ~np.isnan(x).any(axis=1)
        early = whole & (np.arange(len(own)) < ESTIMATION_DAYS)
        if early.sum() < MINIMUM_ESTIMATION:
            continue
        fit = sm.OLS(own[early], x[early]).fit()
        abnormal = np.where(whole, own - x @ fit.params, np.nan)
        event = abnormal[ESTIMATION_DAYS:]
        gaps = np.flatnonzero(np.isnan(event))
        complete = int(gaps[0]) if len(gaps) else days
        if complete == 0:
            continue
        followed.append(
            {
                "index": row.Index,
                "residuals": abnormal[:ESTIMATION_DAYS],
                "event": event,
                "x": x[ESTIMATION_DAYS:],
                "inverse": fit.normalized_cov_params,
                "sigma2": fit.mse_resid,
                "df": int(fit.df_resid),
                "complete": complete,
            }
        )
    return followed


def day_tests(own: list[dict[str, Any]], sessions: np.ndarray, day: int) -> dict[str, tuple[float, float]]:
    """Statistic and p-value of each test of days 1 to `day`."""
    n = len(own)
    cars = np.array([one["event"][:day].sum() for one in own])
    total = [one["x"][:day].sum(axis=0) for one in own]
    variance = [one["sigma2"] * (day + s @ one["inverse"] @ s) for one, s in zip(own, total, strict=True)]
    scars = cars / np.sqrt(variance)
    df = np.array([one["df"] for one in own])
    patell = scars.sum() / np.sqrt((df / (df - 2)).sum())
    bmp = scars.mean() / (scars.std(ddof=1) / np.sqrt(n))
    correlation = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            if sessions[i] == sessions[j]:
                pair = pd.DataFrame({"a": own[i]["residuals"], "b": own[j]["residuals"]}).dropna()
                correlation += pair["a"].corr(pair["b"])
    correlation /= n * (n - 1) / 2
    adjusted = bmp * np.sqrt((1 - correlation) / (1 + (n - 1) * correlation))
    share = np.mean([(one["residuals"] > 0).sum() / (~np.isnan(one["residuals"])).sum() for one in own])
    sign = ((cars > 0).sum() - n * share) / np.sqrt(n * share * (1 - share))
    both = np.array([np.concatenate([one["residuals"], one["event"]]) for one in own])
    ranked = pd.DataFrame(both).rank(axis=1).to_numpy()
    known = ~np.isnan(both)
    parts = ranked / (known.sum(axis=1, keepdims=True) + 1) - 0.5
    sums, events = np.nansum(parts, axis=0), known.sum(axis=0)
    steps = sums[events > 0] / np.sqrt(events[events > 0])
    in_window = slice(ESTIMATION_DAYS, ESTIMATION_DAYS + day)
    window = sums[in_window] / np.sqrt(events[in_window])
    corrado = window.mean() * np.sqrt(day) / np.sqrt((steps**2).mean())
    cross = stats.ttest_1samp(cars, 0)

    def normal(z: float) -> tuple[float, float]:
        return z, 2 * stats.norm.sf(abs(z))

    def student(t: float) -> tuple[float, float]:
        return t, 2 * stats.t.sf(abs(t), n - 1)

    return {
        "patell": normal(patell),
        "bmp": student(bmp),
        "kolari_pynnonen": student(adjusted),
        "corrado": normal(corrado),
        "generalized_sign": normal(sign),
        "cross_sectional": (cross.statistic, cross.pvalue),
    }


def in_blocks(events: pd.DataFrame, day: int) -> pd.DataFrame:
    """The events with blocks of weekdays instead of sessions, where returns of several days overlap."""
    if day == 1:
        return events
    dates = schedule().index[events["session"].to_numpy()].to_numpy().astype("datetime64[D]")
    weekdays = np.busday_count("1970-01-01", dates)
    blocks: dict[int, int] = {}
    first = last = -1000
    for at in np.unique(weekdays):
        if at >= first + 2 * day or at >= last + day + 2:
            first = at
        last = at
        blocks[at] = first
    return events.assign(session=[blocks[at] for at in weekdays])


def sessions_apart(sessions: np.ndarray[Any, Any], day: int) -> np.ndarray[Any, Any]:
    """Which events are in the first session, or in the next one at least `day` after the last that counts."""
    kept: list[int] = []
    for session in np.unique(sessions):
        if not kept or session - kept[-1] >= day:
            kept.append(session)
    return np.isin(sessions, kept)


def check_days(
    told: Differences, events: pd.DataFrame, found: dict[str, Any], returns: pd.DataFrame, benchmark: str | None
) -> list[tuple[float, float]]:
    days = found["days"]
    followed = follow(events, returns, benchmark, days)
    kept_events = events.loc[[one["index"] for one in followed]]
    kept = without_overlaps(kept_events["symbol"], kept_events["session"].astype("int64"), days)
    followed = [one for one, keep in zip(followed, kept, strict=True) if keep]
    told.same("days n", found["n"], len(followed))
    tests = []

    def until(day: int, label: str | None) -> tuple[list[dict[str, Any]], pd.DataFrame]:
        own = [one for one in followed if one["complete"] >= day]
        of = events.loc[[one["index"] for one in own]]
        if label is not None:
            own = [one for one, this in zip(own, of["label"], strict=True) if this == label]
            of = of[of["label"] == label]
        return own, of.assign(y=[one["event"][:day].sum() for one in own])

    for ic in found["rank_ics"]:
        own, of = until(ic["day"], None)
        told.same(f"day {ic['day']} n", ic["n"], len(own))
        value = ic["rank_ic"].get("value")
        if value is not None:
            computed = estimate("rank_ic", in_blocks(of, ic["day"]))
            check_estimate(told, f"day {ic['day']} rank IC", value, computed, limits=(-1.0, 1.0))
            tests.append((computed[2], value["p_adjusted"]))
    for group in found["groups"]:
        for mean in group["curve"]:
            own, of = until(mean["day"], group["label"])
            what = f"day {mean['day']} after {group['label']} news"
            told.same(f"{what} n", mean["n"], len(own))
            told.number(f"{what} CAAR", mean["caar"], of["y"].mean())
            if mean["low"] is not None:
                value, t, _, df = mean_of(of["y"].to_numpy(), clusters(in_blocks(of, mean["day"])))
                half = abs(stats.t.ppf(0.975, df) * value / t)
                told.number(f"{what} low", mean["low"], value - half, size=abs(value) + half)
                told.number(f"{what} high", mean["high"], value + half, size=abs(value) + half)
            told.number(f"{what} AAR", mean["aar"], float(np.mean([one["event"][mean["day"] - 1] for one in own])))
        for one in group["tests"]:
            own, of = until(one["day"], group["label"])
            apart = sessions_apart(of["session"].to_numpy(), one["day"])
            own = [this for this, is_kept in zip(own, apart, strict=True) if is_kept]
            of = of[apart]
            if all(one[name].get("value") is None for name in DAY_TESTS):
                continue
            told.same(f"days 1 to {one['day']} after {group['label']} news, n", one["n"], len(own))
            sessions = of["session"].nunique()
            told.same(f"days 1 to {one['day']} after {group['label']} news, sessions", one["sessions"], sessions)
            computed_all = day_tests(own, of["session"].to_numpy(), one["day"])
            for name in DAY_TESTS:
                value = one[name].get("value")
                if value is None:
                    continue
                what = f"days 1 to {one['day']} after {group['label']} news, {name}"
                told.number(f"{what} statistic", value["statistic"], computed_all[name][0])
                told.number(f"{what} p", value["p"], computed_all[name][1])
                if sessions < len(own) and name != "kolari_pynnonen":
                    # The test takes events of one session for independent, and is not counted.
                    told.same(f"{what} adjusted p", value["p_adjusted"], None)
                else:
                    tests.append((computed_all[name][1], value["p_adjusted"]))
    return tests


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--findings", type=Path, required=True)
    parser.add_argument("--bars", type=Path)
    parser.add_argument("--benchmark")
    args = parser.parse_args()
    findings = json.loads(args.findings.read_text(encoding="utf-8"))
    rows = pd.DataFrame([json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()])
    told = Differences()
    events = sample(rows, findings["settings"]["outcome"])
    told.same("rows", findings["rows"], int((rows["reason"] != "withdrawn").sum()))
    told.same("events", findings["events"], len(events))
    tests = horizons(told, events, findings)
    if findings["days"] is not None:
        tests += check_days(told, events, findings["days"], close_to_close_returns(args.bars), args.benchmark)
    told.same("tests", findings["tests"], len(tests))
    if tests:
        adjusted = multipletests([p for p, _ in tests], method="holm")[1]
        for number, ((_, found), expected) in enumerate(zip(tests, adjusted, strict=True)):
            told.number(f"adjusted p of test {number}", found, expected)
    print(f"{told.compared} values compared, {told.different} differ")
    return 1 if told.different else 0


if __name__ == "__main__":
    sys.exit(main())

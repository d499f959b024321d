"""A small invented market for the dashboard's tests: two sessions, eight companies, their news.

Prices drift for a while in the direction of each article's score, so that every chart has
something to show. The same seed gives the same rows. Names and headlines are made up.
"""

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

RUN = "seeded"
OTHER_RUN = "seeded-earlier"
OPENS = (datetime(2026, 3, 5, 14, 30, tzinfo=UTC), datetime(2026, 3, 6, 14, 30, tzinfo=UTC))
SESSION_MINUTES = 390
# How the other run is made.
EARLIER: dict[str, Any] = {"seed": 3, "stories": 20, "shift": timedelta(days=-14)}
MINUTE = timedelta(minutes=1)
DELAY = timedelta(seconds=20)
UNREADABLE = "not JSON: <b>expected value</b> at line 1"
NEWEST_TITLE = "Halo Semiconductor raises its outlook as orders for sensors beat estimates <b>again</b> & again"

COMPANIES = {
    "ARBO": ("Arbor Foods", 48.0),
    "BRKT": ("Brackett Steel", 23.5),
    "CYGN": ("Cygnus Biologics", 132.0),
    "DELV": ("Delver Energy", 71.2),
    "EOLA": ("Eola Wind", 15.8),
    "FENN": ("Fennel Stores", 36.4),
    "GRYF": ("Gryphon Air", 58.9),
    "HALO": ("Halo Semiconductor", 211.0),
}
HEADLINES = {
    "positive": (
        "{} raises its full-year outlook after a strong quarter",
        "{} wins a supply contract worth $240 million",
        "{} beats estimates on revenue and margin",
        "{} announces a buyback of up to 5% of its shares",
        "Regulator clears a key product of {}",
    ),
    "neutral": (
        "{} to present at an industry conference next week",
        "{} appoints a new head of investor relations",
        "{} files its quarterly report",
        "{} completes the move of its headquarters",
    ),
    "negative": (
        "{} cuts guidance, citing weak demand",
        "{} recalls a product after complaints",
        "{} is sued over an alleged breach of contract",
        "{} misses estimates as costs rise",
        "Broker downgrades {} to underweight",
    ),
}
SHARE = {"positive": 0.42, "neutral": 0.24, "negative": 0.34}
PUBLISHERS = ("Harbour Newswire", "Market Ledger", "The Daily Tape", "Quayside Business")
# Minutes after the entry for which the rows have returns. They have one for the close too, and none for other horizons.
SEEDED = (1, 5, 15, 30, 60)


@dataclass(frozen=True)
class Story:
    """One article about one company; `score` is None for one that no model could read."""

    number: int
    symbol: str
    published_at: datetime
    title: str
    label: str
    score: float | None
    relevance: float

    @property
    def available_at(self) -> datetime:
        return self.published_at + DELAY


@cache
def rows(run: str = RUN, seed: int = 7, stories: int = 150, shift: timedelta = timedelta()) -> dict[str, list[dict]]:
    """Rows for each fact table, ready for JSONEachRow. They are made once: a test that needs others copies them."""
    source = random.Random(seed)
    opens = [opening + shift for opening in OPENS]
    news = _stories(source, opens, stories, run)
    tape = {symbol: _bars(source, run, symbol, opens, news) for symbol in COMPANIES}
    return {
        "articles": [_article(run, story) for story in news],
        "mentions": [_mention(run, story) for story in news],
        "bars": [bar for bars in tape.values() for bar in bars],
        "indicators": [row for bars in tape.values() for row in _indicators(bars)],
        "impact": [_impact(run, story, tape.get(story.symbol, [])) for story in news],
        "source_progress": _progress(run, news),
        "dead_letters": _dead_letters(run, news),
        # Alerts are those of the live stream, so only one run has some.
        "alerts": _alerts(news) if run == RUN else [],
    }


def _stories(source: random.Random, opens: list[datetime], count: int, run: str) -> list[Story]:
    first, last = opens[0] - timedelta(hours=2), opens[-1] + timedelta(minutes=SESSION_MINUTES - 45)
    moments = [*sorted(first + (last - first) * source.random() for _ in range(count - 1)), last]
    news = []
    for number, moment in enumerate(moments):
        newest = number == count - 1
        weights = range(2, 2 + len(COMPANIES))
        symbol = "HALO" if newest else source.choices(list(COMPANIES), weights)[0]
        label = "positive" if newest else source.choices(list(SHARE), list(SHARE.values()))[0]
        strength = source.uniform(0.35, 0.95)
        score: float | None = {"positive": strength, "neutral": source.uniform(-0.15, 0.15), "negative": -strength}[
            label
        ]
        title = source.choice(HEADLINES[label]).format(COMPANIES[symbol][0])
        if newest and run == RUN:
            title = NEWEST_TITLE
        if not newest and source.random() < 0.05:
            label, score = "", None
        if not newest and source.random() < 0.05:
            symbol, title = "", "Futures little changed before the inflation report"
        news.append(Story(number, symbol, moment, title, label, score, round(source.uniform(0.3, 1.0), 2)))
    return news


def _bars(source: random.Random, run: str, symbol: str, opens: list[datetime], news: list[Story]) -> list[dict]:
    price, bars = COMPANIES[symbol][1], []
    scores = [(s.available_at, s.score) for s in news if s.symbol == symbol and s.score is not None]
    for opening in opens:
        price *= math.exp(source.gauss(0, 0.004))
        for minute in range(SESSION_MINUTES):
            start = opening + minute * MINUTE
            recent = [score for known, score in scores if timedelta() < start - known <= timedelta(minutes=20)]
            smile = 1 + 2.2 * (2 * minute / SESSION_MINUTES - 1) ** 2
            deviation = 0.0005 * math.sqrt(smile)
            begin, price = price, price * math.exp(source.gauss(0.00022 * sum(recent), deviation))
            wick = abs(source.gauss(0, deviation)) * price
            volume = 9_000 * smile * (1 + 1.5 * len(recent)) * source.lognormvariate(0, 0.35)
            bars.append({
                "run": run, "symbol": symbol, "width_s": 60, "start": _text(start),
                "open": round(begin, 4), "high": round(max(begin, price) + wick, 4),
                "low": round(min(begin, price) - wick, 4), "close": round(price, 4),
                "volume": round(volume), "vwap": round((begin + price) / 2, 4),
                "trades": max(1, round(volume / 90)), "received_at": _text(start + MINUTE),
            })  # fmt: skip
    return bars


def _indicators(bars: list[dict]) -> list[dict]:
    """Rows as the role `indicators` writes them; what they mean is not tested here, so RSI and VWAP are invented."""
    rows: list[dict] = []
    for number, bar in enumerate(bars):
        closes = [other["close"] for other in bars[max(0, number - 19) : number + 1]]
        opens = number == 0 or bars[number - 1]["start"][:10] != bar["start"][:10]
        log_return = None if opens else math.log(bar["close"] / closes[-2])
        returns = [row["log_return"] for row in rows[-29:]] + [log_return]
        is_known = len(returns) == 30 and None not in returns
        deviation = math.sqrt(sum(one * one for one in returns)) if is_known else None
        mean = sum(closes) / 20 if len(closes) == 20 else None
        # Twice the distance, so that each company has some anomalies.
        z = 2 * log_return / deviation * math.sqrt(30) if log_return and deviation else None
        rows.append({
            "run": bar["run"], "symbol": bar["symbol"], "width_s": 60, "start": bar["start"], "version": number,
            "open": bar["open"], "close": bar["close"], "price": bar["vwap"], "volume": bar["volume"],
            "received_at": bar["received_at"], "session_missing_bars": 0, "number": number + 1, "session_value": 0.0,
            "session_volume": 0.0, "log_return": log_return, "realized_volatility_30": deviation, "robust_z_60": z,
            "is_anomaly": None if z is None else abs(z) > 3, "sma_20": mean,
            "bollinger_upper_20": mean and mean * 1.01, "bollinger_lower_20": mean and mean * 0.99,
            "vwap": bar["open"], "rsi_14": 50.0 + number % 10,
        })  # fmt: skip
    return rows


def _article(run: str, story: Story) -> dict:
    return {
        "run": run, "article_id": f"story-{story.number}", "revision": 1, "provider": "seeded",
        "publisher": _publisher(story), "author": "", "title": story.title, "description": "", "url": _url(story),
        "symbols": [story.symbol] if story.symbol else [], "keywords": [],
        "published_at": _text(story.published_at), "received_at": _text(story.available_at), "seq": story.number,
    }  # fmt: skip


def _mention(run: str, story: Story) -> dict:
    return _sentiment(run, story) | {"article_revision": 1, "truncated": False, "seq": story.number}


def _impact(run: str, story: Story, bars: list[dict]) -> dict:
    """The joined row as the joiner defines it, without a benchmark: abnormal equals raw."""
    after = [n for n, bar in enumerate(bars) if bar["start"] > _text(story.available_at)]
    row = _sentiment(run, story) | {"version": 1, "phase": "session"}
    if not after:
        return row | {"status": "not_joined", "reason": "no_symbol" if not story.symbol else "no_entry_bar"}
    entry = after[0]
    price = bars[entry]["open"]
    row |= {"status": "final", "bar_width_s": 60, "entry_at": bars[entry]["start"], "entry_price": price}
    row |= {"volume_ratio": round(bars[entry]["volume"] / 9_000, 2), "beta": 1.0, "alpha": 0.0}
    day = bars[entry]["start"][:10]
    for minutes in SEEDED:
        at = entry + minutes - 1
        reached = at < len(bars) and bars[at]["start"][:10] == day
        row[f"ret_{minutes}m"] = row[f"ar_{minutes}m"] = math.log(bars[at]["close"] / price) if reached else None
    last = max(n for n, bar in enumerate(bars) if bar["start"][:10] == day)
    row["ret_close"] = row["ar_close"] = math.log(bars[last]["close"] / price)
    return row


def _progress(run: str, news: list[Story]) -> list[dict]:
    """Two sources of news, of which one has failed an hour before the newest article, and one of prices."""
    newest = news[-1].published_at
    sources = (
        ("news", "seeded", MINUTE, False),
        ("news", "other", 60 * MINUTE, True),
        ("prices", "tape", MINUTE, False),
    )
    return [
        {
            "run": run, "kind": kind, "source": source, "idle": idle, "position": 1,
            "watermark": _text(newest - behind),
        }
        for kind, source, behind, idle in sources
    ]  # fmt: skip


def _dead_letters(run: str, news: list[Story]) -> list[dict]:
    reasons = ("no published_at", "the title is a list", UNREADABLE)
    return [
        {
            "run": run, "id": f"letter-{number}", "kafka_partition": 0, "kafka_offset": number, "stage": "poll",
            "origin": "seeded page 2", "reason": reason, "bytes": f'{{"id":"{number}","title":"<i>{run}</i>"}}',
            "at": _text(news[number].available_at),
        }
        for number, reason in enumerate(reasons)
    ]  # fmt: skip


def _alerts(news: list[Story]) -> list[dict]:
    """An alert of the first day to one place, and one of the last day to two."""
    first, last = ({"at": _text(at), "sent_at": _text(at)} for at in (news[0].published_at, news[-1].published_at))
    text = "other: nothing for an hour"
    stale = first | {"kind": "stale_source", "subject": "other", "text": text, "value": 3600.0}
    text = "HALO: a return 4.2 deviations from the usual"
    anomaly = last | {"kind": "anomaly", "subject": "HALO", "text": text, "value": 4.2}
    return [anomaly | {"target": "table"}, anomaly | {"target": "slack"}, stale | {"target": "table"}]


def _sentiment(run: str, story: Story) -> dict:
    spread = {} if story.score is None else {
        "p_positive": max(story.score, 0) + 0.02, "p_negative": max(-story.score, 0) + 0.02,
        "p_neutral": 0.96 - abs(story.score), "score": round(story.score, 4),
        "model": "seeded", "model_revision": "0",
    }  # fmt: skip
    return spread | {
        "run": run, "symbol": story.symbol, "article_id": f"story-{story.number}", "title": story.title,
        "provider": "seeded", "publisher": _publisher(story), "url": _url(story),
        "published_at": _text(story.published_at), "received_at": _text(story.available_at),
        "scored_at": _text(story.available_at), "available_at": _text(story.available_at),
        "relevance": story.relevance, "label": story.label, "unscored": "" if story.label else "model_failed",
    }  # fmt: skip


def _publisher(story: Story) -> str:
    return PUBLISHERS[story.number % len(PUBLISHERS)]


def _url(story: Story) -> str:
    return f"https://news.example/{story.number}"


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")

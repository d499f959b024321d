"""The texts to score: invented financial news, the same for every run and every machine.

Seven in ten are headlines, a quarter a headline with its description, one in twenty a long article. In
WordPiece tokens half are shorter than about 24, the mean is about 50 and the longest about 400, which is
the mix of a news wire. A text is cut at a drawn length, so some end in mid-sentence, which makes no
difference to engines.
"""

import json
import math
import random
import re
from pathlib import Path

SEED = 20251121
# Number of texts in the whole set, and in a batch of a peer that pads.
WHOLE = 2000
BATCH = 32
# Share of the texts, and their shortest and longest length in tokens.
KINDS = [(0.70, 8, 30), (0.25, 40, 120), (0.05, 200, 400)]
# WordPiece first splits at spaces and punctuation; [CLS] and [SEP] come on top. Rare words make a few more.
PIECES = re.compile(r"\w+|[^\w\s]")
SPECIAL = 2

COMPANIES = (
    "Northwind Energy|Harbor Bank|Silverline Motors|Castle Pharma|Blue Ridge Foods|Summit Airlines|Delta Mining"
    "|Orion Software"
    "|Crescent Steel|Union Rail|Evergreen Power|Atlas Shipping|Pioneer Oil|Metro Retail Group|Quantum Devices"
    "|First Coast Insurance"
).split("|")
ACTIONS = (
    "raises its full-year forecast|cuts its dividend|beats profit estimates|misses sales expectations"
    "|agrees to buy a smaller rival"
    "|delays a factory opening|wins a government contract|recalls a popular product|plans a share buyback"
    "|names a new chief executive"
    "|settles a patent dispute|warns of weaker demand|reports record orders|sells its overseas unit"
    "|faces a regulatory inquiry"
).split("|")
REASONS = (
    "as raw material costs ease|after a strong holiday season|on slowing exports|despite higher interest rates"
    "|amid a price war"
    "|following the loss of a major client|as new models sell well|after regulators gave their approval"
    "|on currency swings"
).split("|")
SENTENCES = (
    "Shares moved {percent}% in early trading, their largest change since {month}."
    "|The company now expects revenue between {money} and {money} for the year."
    "|Operating margin was {percent}%, compared with {percent}% a year earlier."
    "|Analysts at {company} had forecast a profit of {money} on average."
    "|{company} {action} {reason}."
    "|Management said that cash flow would cover investments of {money} through {month}."
    "|Rival {company} had already said in {month} that it {action} {reason}."
    "|Costs fell to {money} from {money}, while headcount shrank by {percent}%."
).split("|")
MONTHS = "January|March|April|June|July|September|October|December".split("|")


def pieces(text: str) -> int:
    """About how many tokens the text has, without a tokenizer."""
    return len(PIECES.findall(text)) + SPECIAL


def generate(count: int, seed: int = SEED) -> list[str]:
    """`count` texts, no two alike: an engine that scores equal texts once must not gain by it.

    Kinds are assigned in a fixed order, so that every seed gives the same mix.
    """
    draw = random.Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts.setdefault(_text(draw, *_kind(len(texts))))
    return list(texts)


def sample(count: int) -> list[str]:
    """`count` of the whole set, taken as runs of BATCH texts of similar length and then shuffled.

    If they were drawn one by one, the few batches of a small sample would mix texts of all lengths, and
    engines that pad would need several times the padding of the whole set.
    """
    if count >= WHOLE:
        return generate(count)
    by_length = sorted(generate(WHOLE), key=pieces)
    runs = math.ceil(count / BATCH)
    starts = [round((run + 0.5) * (WHOLE - BATCH) / runs) for run in range(runs)]
    chosen = [text for start in starts for text in by_length[start : start + BATCH]][:count]
    random.Random(SEED).shuffle(chosen)
    return chosen


def write(path: Path, texts: list[str]) -> None:
    """Writes one JSON object with a `text` per line."""
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def read(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text().splitlines()]


def _kind(number: int) -> tuple[int, int]:
    # Steps by the golden ratio fall evenly into shares of any size.
    place = number * 0.6180339887498949 % 1
    for share, shortest, longest in KINDS:
        if place < share:
            return shortest, longest
        place -= share
    return KINDS[-1][1:]


def _text(draw: random.Random, shortest: int, longest: int) -> str:
    length = draw.randint(shortest, longest)
    text = _fill(draw, "{company} {action} {reason}")
    while pieces(text) < length:
        text += " " + _fill(draw, draw.choice(SENTENCES))
    words = text.split()
    while len(words) > 1 and pieces(" ".join(words)) > length:
        words.pop()
    return " ".join(words)


def _fill(draw: random.Random, sentence: str) -> str:
    kinds = {
        "company": lambda: draw.choice(COMPANIES),
        "action": lambda: draw.choice(ACTIONS),
        "reason": lambda: draw.choice(REASONS),
        "month": lambda: draw.choice(MONTHS),
        "percent": lambda: f"{draw.uniform(0.1, 30):.1f}",
        "money": lambda: f"${draw.uniform(1, 99):.2f} billion",
    }
    return re.sub(r"\{(\w+)\}", lambda found: kinds[found[1]](), sentence)

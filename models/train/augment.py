"""Variations of the training samples, drawn again in each epoch from a seeded generator.

They teach what the labelled data alone does not: that the company decides whose
sentiment is asked for, that a text may hold several stories, that a wire names
companies by legal name or ticker, and that sometimes no name matches at all.
"""

import html
import random
import re
import string
from collections import Counter, defaultdict
from dataclasses import dataclass

CASHTAG = re.compile(r"\$([A-Z]{1,5})\b")
LETTERS = string.ascii_uppercase
LINK = re.compile(r"\s*https?://\S+")
# "… : HDFC Securities": the text quotes them and says nothing about them.
QUOTED = re.compile(r":\s+((?:[A-Z][\w&.'-]*\s?){1,4})$")
CODES = [" <{}.N>", " <{}.O>", " <{}>", " (NYSE: {})", " (NASDAQ:{})", " ({})", " (${})"]
LEGAL_FORMS = [
    "Inc",
    "Inc.",
    "Corp",
    "Ltd",
    "Ltd.",
    "Limited",
    "plc",
    "Corporation",
    "Co",
    "Group",
    "Holdings",
    "SA",
    "AG",
]
Varied = tuple[str, str | None, str]  # text, company, label


@dataclass(frozen=True)
class Rates:
    """How often each variation is drawn."""

    whole: float = 0.12  # a headline of one sentiment, without company
    legal_form: float = 0.10  # "Acme" asked for as "Acme Inc."
    substitute: float = 0.15  # another company takes this one's place, in both segments
    code: float = 0.08  # a ticker code after the name; in half of the cases the question uses the code
    other_story: float = 0.20  # a second text beside it that does not name the company
    unmatched: float = 0.04  # a company the text does not name; the label stays that of the text
    quoted: float = 0.30  # the person or firm quoted at the end: neutral
    ticker: float = 0.40  # a tweet with one cash tag; the company is that ticker
    no_link: float = 0.50  # a tweet without its links


class Augmenter:
    """Draws one epoch of (text, company, label) from the training samples."""

    def __init__(self, samples: list[dict], rates: Rates):
        self.samples = samples
        self.rates = rates
        self.companies = sorted({s["company"] for s in samples if s["company"]})
        self.texts = [s["text"] for s in samples]
        labels: dict[str, set[str]] = defaultdict(set)
        entities: Counter[str] = Counter()
        for sample in samples:
            labels[sample["text"]].add(sample["label"])
            entities[sample["text"]] += 1
        self.one_sentiment = {text for text, found in labels.items() if len(found) == 1}
        self.one_entity = {text for text, count in entities.items() if count == 1}

    def epoch(self, rng: random.Random) -> list[Varied]:
        rows = []
        for sample in self.samples:
            if sample["company"] is None:
                rows.append(self.tweet(sample, rng))
            else:
                rows.append(self.headline(sample, rng))
                rows += self.quoted(sample, rng)
        rng.shuffle(rows)
        return rows

    def tweet(self, sample: dict, rng: random.Random) -> Varied:
        text, company = sample["text"], None
        if rng.random() < self.rates.no_link:
            text = LINK.sub("", html.unescape(text))
        tickers = set(CASHTAG.findall(text))
        if len(tickers) == 1 and rng.random() < self.rates.ticker:
            company = rng.choice(["", "$"]) + tickers.pop()
        elif self.companies and rng.random() < self.rates.unmatched:
            company = rng.choice(self.companies)
        return text, company, sample["label"]

    def headline(self, sample: dict, rng: random.Random) -> Varied:
        text, company, label = sample["text"], sample["company"], sample["label"]
        if text in self.one_sentiment and rng.random() < self.rates.whole:
            return text, None, label
        if text in self.one_entity and rng.random() < self.rates.unmatched:
            return text, rng.choice(self.companies), label
        if rng.random() < self.rates.substitute:
            other = rng.choice(self.companies)
            if company in text and other not in text:
                text, company = text.replace(company, other), other
        if self.rates.code and rng.random() < self.rates.code:
            code = "".join(rng.choices(LETTERS, k=rng.randint(2, 4)))
            coded = text.replace(company, company + rng.choice(CODES).format(code), 1)
            if coded != text and rng.random() < 0.5:
                company = code
            text = coded
        if rng.random() < self.rates.other_story:
            text = self.beside_another(text, company, rng)
        if rng.random() < self.rates.legal_form:
            company = f"{company} {rng.choice(LEGAL_FORMS)}"
        return text, company, label

    def beside_another(self, text: str, company: str, rng: random.Random) -> str:
        other = LINK.sub("", rng.choice(self.texts))
        if company.lower() in other.lower():
            return text
        first, second = rng.sample([text, other], 2)
        return f"{first}{rng.choice(['. ', ' ', '; ', ', while ', ', '])}{second}"

    def quoted(self, sample: dict, rng: random.Random) -> list[Varied]:
        found = QUOTED.search(sample["text"])
        if not found or rng.random() >= self.rates.quoted:
            return []
        name = found.group(1).strip()
        if sample["text"] not in self.one_entity or sample["company"].lower() in name.lower():
            return []
        return [(sample["text"], name, "neutral")]

"""Groups of texts that say nearly the same words.

Two texts are near-identical when the Jaccard similarity of their word sets is at
least 0.8. Candidates come from prefix filtering (Chaudhuri, Ganti and Kaushik,
ICDE 2006): sets that similar must share one of each other's rarest words, so
only those are indexed and the answer is exact.
"""

import html
import math
import re
from collections import Counter, defaultdict

LINK = re.compile(r"https?://\S+")
WORD = re.compile(r"[a-z0-9]+(?:\.[0-9]+)?")
SIMILARITY = 0.8


def words(text: str) -> list[str]:
    """Lower-case words and numbers of a text, links left out."""
    return WORD.findall(LINK.sub(" ", html.unescape(text)).lower())


def group_near_duplicates(texts: list[str], similarity: float = SIMILARITY) -> list[int]:
    """For each text the lowest index among the texts it is linked to, itself included."""
    sets = [frozenset(words(text)) for text in texts]
    frequency = Counter(word for one in sets for word in one)
    parent = list(range(len(texts)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    indexed: dict[str, list[int]] = defaultdict(list)
    for at, one in enumerate(sets):
        rarest_first = sorted(one, key=lambda word: (frequency[word], word))
        prefix = rarest_first[: len(one) - math.ceil(similarity * len(one)) + 1]
        candidates = {other for word in prefix for other in indexed[word]}
        for other in candidates:
            shared = len(one & sets[other])
            if shared >= similarity * (len(one) + len(sets[other]) - shared):
                low, high = sorted((root(at), root(other)))
                parent[high] = low
        for word in prefix:
            indexed[word].append(at)
    return [root(at) for at in range(len(texts))]

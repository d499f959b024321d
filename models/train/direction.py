"""Generates business news from a grammar: the same words as good and as bad news for a company.

    python direction.py --rows 20 [--seed 1] [--held-out]     prints rows to look at

Labelled headlines rarely say that costs fell or a loss narrowed, so a model learns from them that "rise" is good and
"fall" is bad. Here the same words occur with both labels: each wording of direction_grammar.txt is drawn with a sign,
and so is each figure (`<m>`), because a rise of revenue is good news and a rise of costs is bad. So no single word
reveals the label. Figures, companies, periods and synonyms are drawn at random; every company here is invented. The
same seed gives the same rows.

A text is a wording alone, a wording with something irrelevant (a source, a diary note, a company called "it"), or two
wordings about two companies, with a row for each. Families marked `!` in the grammar are never trained on: they are
used to choose the recipe and, with the other validation splits, to calibrate. LABELS.md says which events count as
good or bad news.
"""

import argparse
import random
import re
import string
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

GRAMMAR = Path(__file__).with_name("direction_grammar.txt")
HELD_OUT_SEED, HELD_OUT_ROWS = 11, 900
LABEL_OF = {1: "positive", -1: "negative", 0: "neutral"}
NOTICES = 2.5  # factor on the weight of the family `notices`, because neutral rows are few
WITHOUT_COMPANY, BESIDE, PRONOUN, TWO, THIRD = 0.12, 0.25, 0.12, 0.28, 0.3  # shares of the rows
Row = tuple[str, str | None, str]  # text, company, label

HEADS = """
Abbot Acland Adair Alcott Aldous Alderby Almgren Amberley Anselm Arden Arkwell Ashby Astra Atwood Axford Bagley
Balfour Barlow Bascom Baxley Beaumar Belmont Benning Birkdale Blackmore Bolton Bramley Brentwell Brisco Brunner
Burrell Byford Caldera Calloway Cambrix Cardew Carlin Carvel Castell Cedarbrook Chadwell Clarion Colby Cordova Corwin
Crestline Cromer Dacre Dalton Danforth Darrow Deltona Denholm Devon Dorset Drayton Dunmore Eastgate Edison Eldon
Ellery Elmore Emberton Endicott Everton Fairmont Falkner Farrow Fenwick Fielding Flintham Foster Galloway Garland
Gatwell Gilmour Glenmark Gorham Granby Greystone Hadley Halden Hallam Hamar Harlow Hartwell Havel Haydon Helix Hollis
Holmgren Huxley Idaway Inglis Ivory Jarrow Jessop Kaldor Kelso Kendall Keswick Kingsley Kirkwood Korvo Lambert Larkin
Laxton Ledbury Lindell Linden Lockhart Lomax Lorrimer Lumen Madison Malvern Marchmont Marlow Medway Melrose Mercer
Meridian Milford Monarch Mosel Nairn Navarro Nettle Newbury Nordale Norwell Oakham Oberon Olympia Onslow Orwell
Osborne Paxton Pembroke Penrose Petrov Pinnacle Polaris Prescott Quantock Quill Radley Ramsey Redfern Renwick Ridgeway
Rossdale Rowan Rutland Saffron Salisbury Sandoval Selwyn Severn Sharma Sheldon Sierra Solara Sorrel Standish Stellan
Sterling Stroud Sutcliffe Talbot Tamar Tanaka Tarvin Tenby Thornton Tiverton Torrens Trevose Tyndall Ullman Umber
Vance Vantor Varga Vega Verity Vickers Volkov Wadham Walden Waverley Welland Westbury Whitlock Winslow Wolden Woodford
Wyatt Xanthe Yardley Yorke Zander Zelkova Zenith Bharat Kumar Patel Lakshmi Mahavir Surya Ganga Deccan Nilgiri Konkan
Sakura Hikari Yamada Hanbit Daesan Jinshan Huaxin Weimar Rhein Elbe Lyonnais Bretagne Iberia Lusitan Padana Nordhav
""".split()
TAILS = """
Foods Energy Bank Pharma Motors Airlines Steel Chemicals Retail Telecom Software Systems Insurance Capital Mining Oil
Gas Power Water Homes Properties Rail Shipping Logistics Media Brewing Paper Textiles Semiconductors Biotech
Therapeutics Aerospace Engineering Industries Group Holdings Technologies Electronics Networks Financial Healthcare
Devices Materials Cement Resources Petroleum Hotels Leisure Brands Stores Supermarkets Dairy Solar Wind Utilities
Robotics Labs Diagnostics Auto Marine Packaging Glass Tools Express Trust Partners Mobile Digital Data Cloud Games
Studios Education Tyres Sugar Tea Infra Agro Fashion Cosmetics Furniture Renewables Batteries
""".split()
FORMS = [
    "Inc",
    "Inc.",
    "Corp",
    "Corp.",
    "Ltd",
    "Ltd.",
    "Limited",
    "plc",
    "PLC",
    "AG",
    "SA",
    "SE",
    "NV",
    "AB",
    "SpA",
    "Co",
    "Company",
    "Corporation",
    "LLC",
    "ASA",
    "Oyj",
    "GmbH",
    "KGaA",
    "Bhd",
    "& Co",
]
VENUES = [" ({})", " (NYSE: {})", " (NASDAQ: {})", " (LSE:{})", " ({}.L)", " <{}.N>", " <{}.O>", " [{}]", " (${})"]
SUBJECTLESS = ["Its", "The company's", "The group's"]
AROUND = [
    ("", " - sources"),
    ("", ": report"),
    ("", ", says report"),
    ("", " (Reuters)"),
    ("(Reuters) - ", ""),
    ("UPDATE 1-", ""),
    ("UPDATE 2-", ""),
    ("BRIEF-", ""),
    ("<place>, <month> {dd} - ", ""),
    ("*", ""),
    ("Exclusive: ", ""),
    ("Earnings: ", ""),
    ("", " The company is based in <place>."),
    ("", " It employs {cnt} people."),
    ("", " Its next report is due on <date>."),
    ("", " The shares closed at {e1}."),
    ("", " Analysts were on a call on <day>."),
    ("Corporate news: ", ""),
    ("", " The statement came after the market closed."),
    ("", " It has {cnt} shareholders."),
    ("On <day>, ", ""),
    ("", ", <said>"),
    ("<said>: ", ""),
    ("", " (<month> {dd})"),
    ("", " https://t.co/{code}"),
    ("", " #stocks"),
    ("", " #earnings"),
]
INTROS = [
    "{A} published <qadj> results on <day>.",
    "{A} gave an update on trading on <day>.",
    "{A} held its annual meeting on <day>.",
    "{A} reports for the (quarter|half year|year).",
    "{A}, based in <place>, makes <goods>.",
    "Here is the latest on {A}.",
    "{A} filed its <qadj> report.",
    "{A} issued a statement on <day>.",
]
JOINTS = [
    ", while ",
    "; ",
    ". ",
    ", but ",
    " as ",
    ", whereas ",
    " – ",
    "; meanwhile ",
    ", even as ",
    " and ",
    ". By contrast, ",
    ". In contrast ",
    " | ",
    ", with ",
    ". Elsewhere, ",
    ". Separately, ",
]
# {C} is a further company that is named in passing, without news about it.
PASSING = [
    ", said an analyst at {C}",
    ", according to {C}",
    ". {C} declined to comment.",
    ". {C} advised on the matter.",
    ". {C} reports next week.",
    ". Shares of {C} were unchanged.",
    ", a survey by {C} shows",
    ". It competes with {C}.",
    ". It once belonged to {C}.",
    ". {C} makes similar <goods>.",
    ". {C} holds a small stake.",
    " ({C} poll)",
    ". The two were compared in a note by {C}.",
    ". Its chairman used to work at {C}.",
    ". Reuters, {C} and others took part.",
    ". {C} is one of its customers.",
    ". {C} supplies some of the parts.",
    ". The sector also includes {C}.",
    ". {C} will hold its own meeting on <date>.",
    ". Traders at {C} watched closely.",
    ": {C}",
    ". Among its peers is {C}.",
    ", writes {C}",
    ". {C}, based in <place>, has not given figures yet.",
]
BEFORE = [
    "{C}: ",
    "{C} analysts say ",
    "According to {C}, ",
    "Data from {C} show that ",
    "As {C} prepares its report, ",
    "{C} did not comment. ",
    "{C}, which is based in <place>, reports on <date>. ",
    "In a note, {C} said ",
    "{C} held its meeting on <day>. ",
    "While all eyes were on {C}, ",
]
UNITS = [
    "${} million",
    "${}m",
    "${} mln",
    "${}mn",
    "£{}m",
    "£{} million",
    "€{}m",
    "€{} million",
    "Rs {} crore",
    "Rs {} cr",
    "{} million euros",
    "{} million pounds",
    "${} billion",
    "${}bn",
    "${}B",
    "${}M",
    "£{}bn",
    "€{} billion",
    "{} billion yen",
    "C${} million",
    "{} million dollars",
]


@dataclass
class Wording:
    """One line of the grammar."""

    family: str
    held_out: bool
    labels: dict[str, str]  # of each company (A, B): s is the row's sign, -s its opposite; +, - and 0 are fixed
    text: str

    @property
    def joins(self) -> bool:
        """Whether it can stand beside another in one text."""
        return list(self.labels) == ["A"] and "{A" in self.text and not re.search(r"[.;:]$|; |: ", self.text)


@dataclass
class Grammar:
    lists: dict[str, list[str]] = field(default_factory=dict)
    wordings: list[Wording] = field(default_factory=list)


def read_grammar(path: Path = GRAMMAR) -> Grammar:
    grammar, family, held_out = Grammar(), "", False
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("@"):
            name, words = line[1:].split(": ", 1)
            grammar.lists[name] = [word.strip() for word in split_top(words)]
        elif line.startswith("="):
            held_out = line.startswith("=!")
            family = line.lstrip("=! ").strip()
        else:
            labels, text = line.split(" : ", 1)
            pairs = dict(pair.split("=") for pair in labels.split())
            grammar.wordings.append(Wording(family, held_out, dict(sorted(pairs.items())), text.strip()))
    return grammar


def split_top(words: str) -> list[str]:
    """The words of a list, separated by ` | ` outside parentheses."""
    return re.split(r"\s\|\s(?![^()]*\))", words)


@dataclass(frozen=True)
class Company:
    """An invented company, with the names that a text or a question may use for it."""

    head: str
    tail: str
    form: str
    code: str

    @staticmethod
    def draw(rng: random.Random, but: "Company | None" = None) -> "Company":
        head = rng.choice(HEADS)
        while but is not None and head == but.head:
            head = rng.choice(HEADS)
        if rng.random() < 0.08:
            head = "".join(rng.choices(string.ascii_uppercase, k=3))
        tail = rng.choice(TAILS)
        code = (head[0] + "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))).upper()
        return Company(head, tail, rng.choice(FORMS), code)

    def told(self, rng: random.Random) -> tuple[str, str]:
        """The name in the text, and the name in the question."""
        kind = rng.random()
        full = f"{self.head} {self.tail}"
        name = full if kind < 0.6 else self.head if kind < 0.8 else f"{full} {self.form}"
        asked = name if rng.random() < 0.65 else rng.choice([full, self.head, f"{full} {self.form}"])
        kind = rng.random()
        if kind < 0.1:
            name += rng.choice(VENUES).format(self.code)
            asked = self.code if rng.random() < 0.4 else asked
        elif kind < 0.16:
            name = f"${self.code}"
            asked = rng.choice([self.code, name])
        return name, asked


def figure_sets(rng: random.Random) -> dict[str, str]:
    """Two figures of each kind, with the same unit and number of digits, the larger first."""

    def two(low: float, high: float, digits: int) -> tuple[str, str]:
        # Of different orders of magnitude; the two close together, apart or far apart, equally often.
        first = round(rng.uniform(low, high) * 10 ** rng.choice([-1, 0, 0]), digits)
        ratio = rng.choice([rng.uniform(0.85, 0.99), rng.uniform(0.5, 0.9), rng.uniform(0.1, 0.6)])
        step = 10.0**-digits
        first = max(first, 2 * step)
        second = min(max(round(first * ratio, digits), step), round(first - step, digits))
        return f"{first:,.{digits}f}", f"{second:,.{digits}f}"

    digits = rng.choice([0, 0, 1, 2])
    unit = rng.choice(UNITS)
    m1, m2 = (unit.format(x) for x in two(1, 990, digits))
    percent = rng.choice(["{}%", "{}%", "{} per cent", "{} percent", "{} pct"])
    p1, p2 = (percent.format(x) for x in two(2, 60, rng.choice([0, 1, 1, 2])))
    share = rng.choice(["${}", "${}", "{}p", "€{}", "{} cents", "Rs {}", "£{}"])
    e1, e2 = (share.format(x) for x in two(0.3, 90, 0 if "p" in share or "cents" in share else 2))
    n1, n2 = two(100, 90000, 0)
    r1, r2 = two(1.2, 8, 1)
    year = rng.randint(1998, 2031)
    return {
        "m1": m1,
        "m2": m2,
        "p1": p1,
        "p2": p2,
        "e1": e1,
        "e2": e2,
        "n1": n1,
        "n2": n2,
        "r1": r1,
        "r2": r2,
        "e0": share.format("0.0" + str(rng.randint(1, 9))) if "{}" in share and "p" not in share else "2p",
        "pct": percent.format(rng.choice([rng.randint(1, 60), round(rng.uniform(0.2, 40), 1)])),
        "bp": str(rng.choice([10, 20, 25, 30, 40, 60, 80, 120, 150, 210])),
        "amt": unit.format(rng.choice([rng.randint(2, 950), round(rng.uniform(1, 90), 1)])),
        "cnt": f"{rng.choice([rng.randint(2, 99) * 100, rng.randint(2, 90) * 1000, rng.randint(20, 900)]):,}",
        "cnt0": str(rng.randint(3, 90)),
        "part": rng.choice(["a third", "a quarter", "half", "a fifth", "a tenth", "two-thirds"]),
        "yr": str(year),
        "y2": f"{year % 100:02}",
        "dd": str(rng.randint(1, 28)),
        "code": "".join(rng.choices(string.ascii_letters + string.digits, k=10)),
        "Bx": rng.choice(["UBS", "Citi", "Jefferies", "Morgan Stanley", "Barclays"]),
    }


LIST = re.compile(r"<([A-Za-z]+\d?)>")
EITHER = re.compile(r"\[(\+?)([^\[\]~]*)~([^\[\]~]*)\]")
ONE_OF = re.compile(r"\(([^()|]*(?:\|[^()|]*)+)\)")


class Drawer:
    """Fills wordings in from one random generator."""

    def __init__(self, grammar: Grammar, rng: random.Random):
        self.grammar, self.rng = grammar, rng

    def fill(self, text: str, sign: int) -> str:
        """The wording with everything filled in except the companies."""
        rng, lists = self.rng, self.grammar.lists
        figures = figure_sets(rng)
        kind = rng.choice(["good", "bad"])
        metric = rng.choice(lists[kind])
        if "<good>" in text or "<bad>" in text:
            chosen = re.search("<(good|bad)>", text)
            kind = chosen.group(1) if chosen else kind
            metric = rng.choice(lists[kind])
            if "<m>" not in text.lower():
                text = text.replace(f"<{kind}>", "<m>")
        has_figure = "<m>" in text.lower()
        plural = has_figure and "*" in metric
        if has_figure and metric[-1] in "%#":
            told = "p" if metric[-1] == "%" else "n"
            figures |= {"m1": figures[told + "1"], "m2": figures[told + "2"], "amt": figures[told + "1"]}
        if has_figure and metric[-1] != "%":
            figures |= {"p1": figures["m1"], "p2": figures["m2"]}
        metric = metric.rstrip("*%#")
        rises = sign if not has_figure or kind == "good" else -sign
        text = text.replace("<m>", metric).replace("<M>", metric[0].upper() + metric[1:])

        def either(found: re.Match) -> str:
            way = sign if found.group(1) else rises
            return found.group(2) if way > 0 else found.group(3)

        def listed(found: re.Match) -> str:
            name = found.group(1)
            word = rng.choice(lists[name] if name in lists else lists[name[0].lower() + name[1:]]).rstrip("*%#")
            return word if name in lists else word[0].upper() + word[1:]

        for pattern, put in ((EITHER, either), (LIST, listed), (ONE_OF, lambda f: rng.choice(f.group(1).split("|")))):
            while pattern.search(text):
                text = pattern.sub(put, text)
        agree = {"s": "" if plural else "s", "es": "" if plural else "es"}
        agree |= {"was": "were" if plural else "was", "is": "are" if plural else "is"}
        for name, value in (agree | figures).items():
            text = text.replace("{" + name + "}", value)
        text = re.sub(r"\s+", " ", text).strip()
        return re.sub(r"\s+([,.;])", r"\1", text)

    def signs(self, wording: Wording) -> tuple[int, dict[str, int]]:
        """The row's sign, and for each company the sign of its label."""
        told = wording.labels
        sign = self.rng.choice([1, -1])
        if told.get("A") in ("+", "-") or told.get("B") in ("+", "-"):
            only = next(value for value in told.values() if value in ("+", "-"))
            sign = 1 if only == "+" else -1
        of = {"s": sign, "-s": -sign, "+": 1, "-": -1, "0": 0}
        return sign, {name: of[value] for name, value in told.items()}

    def name(self, text: str, mark: str, name: str) -> str:
        """The text with `name` in every place of the company `mark`."""
        possessive = name + ("'" if name.endswith("s") and self.rng.random() < 0.5 else "'s")
        return text.replace("{" + mark + "'s}", possessive).replace("{" + mark + "}", name)

    def beside(self, text: str) -> str:
        """The text with something irrelevant before or after it."""
        before, after = self.rng.choice(AROUND)
        if after.startswith((" The", " It", " Analysts")) and not text.endswith("."):
            text += "."
        if after and not after.startswith((" The", " It", " Analysts")):
            text = text.rstrip(".")
        return (
            self.fill(before, 1)
            + (" " if before.endswith((" ", ":")) else "")
            + text
            + (" " + self.fill(after, 1) if after.startswith(" ") else self.fill(after, 1))
        )

    def third(self, rows: list[Row]) -> list[Row]:
        """The rows with another company named in passing, and a neutral row about that company."""
        rng = self.rng
        text = rows[0][0].rstrip(".")
        company = Company.draw(rng)
        if company.head in text or any(asked is None for _, asked, _ in rows):
            return rows
        name, asked = company.told(rng)
        after = self.fill(rng.choice(PASSING), 1).replace("{C}", name)
        before = self.fill(rng.choice(BEFORE), 1).replace("{C}", name)
        before += " "
        text = before + text if rng.random() < 0.35 else text + after
        return [*((text, other, label) for _, other, label in rows), (text, asked, "neutral")]

    def one(self, wording: Wording) -> list[Row]:
        rng = self.rng
        sign, labels = self.signs(wording)
        text = self.fill(wording.text, sign)
        first = Company.draw(rng)
        companies = {"A": first, "B": Company.draw(rng, first)}
        if list(labels) == ["A"] and rng.random() < PRONOUN and "{A" in text:
            intro = self.fill(rng.choice(INTROS), 1)
            text = text.replace("{A's}", "its").replace("{A}", rng.choice(["it", "the company", "the group"]))
            text = f"{intro} {text[0].upper()}{text[1:]}"
        if rng.random() < BESIDE:
            text = self.beside(text)
        rows = []
        asked = {}
        for mark, company in companies.items():
            name, asked[mark] = company.told(rng)
            text = self.name(text, mark, name)
        for mark, label in labels.items():
            alone = len(labels) == 1 and rng.random() < WITHOUT_COMPANY
            rows.append((text, None if alone else asked[mark], LABEL_OF[label]))
        return rows

    def two(self, first: Wording, second: Wording) -> list[Row]:
        """Two wordings of two companies in one text, asked for each."""
        rng = self.rng
        one = Company.draw(rng)
        parts, asked = [], []
        wanted = 0
        for wording, company in ((first, one), (second, Company.draw(rng, one))):
            sign, labels = self.signs(wording)
            if wanted and wording.labels["A"] == "s" and rng.random() < 0.75:
                sign, labels = -wanted, {"A": -wanted}
            wanted = labels["A"]
            text = self.fill(wording.text, sign).rstrip(".")
            name, question = company.told(rng)
            parts.append(self.name(text, "A", name))
            asked.append((question, LABEL_OF[labels["A"]]))
        text = rng.choice(JOINTS).join(parts)
        if rng.random() < 0.3:
            text += "."
        return [(text, question, label) for question, label in asked]


def draw_rows(rng: random.Random, count: int, held_out: bool = False, grammar: Grammar | None = None) -> list[Row]:
    """`count` rows of the families that are held out, or of those that are not.

    A family is drawn with a weight of the square root of its size.
    """
    grammar = grammar or read_grammar()
    drawer = Drawer(grammar, rng)
    families: dict[str, list[Wording]] = defaultdict(list)
    for wording in grammar.wordings:
        if wording.held_out == held_out:
            families[wording.family].append(wording)
    names = sorted(families)
    weights = [len(families[name]) ** 0.5 * (NOTICES if name == "notices" else 1) for name in names]
    joining = [wording for name in names for wording in families[name] if wording.joins]

    def pick() -> Wording:
        return rng.choice(families[rng.choices(names, weights)[0]])

    rows: list[Row] = []
    while len(rows) < count:
        wording = pick()
        if wording.joins and rng.random() < TWO:
            drawn = drawer.two(*rng.sample([wording, rng.choice(joining)], 2))
        else:
            drawn = drawer.one(wording)
        rows += drawer.third(drawn) if rng.random() < THIRD else drawn
    return rows[:count]


def held_out_samples() -> list[dict]:
    """The rows of the held-out families, as samples of the validation split."""
    rows = draw_rows(random.Random(HELD_OUT_SEED), HELD_OUT_ROWS, held_out=True)
    return [
        {"source": "direction", "split": "validation", "group": at, "text": text, "company": company, "label": label}
        for at, (text, company, label) in enumerate(rows)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--held-out", action="store_true", help="the families that are never trained on")
    args = parser.parse_args()
    for text, company, label in draw_rows(random.Random(args.seed), args.rows, args.held_out):
        print(f"{label:9} {company or '-':28} {text}")


if __name__ == "__main__":
    main()

"""Splits, labels, augmentation and a few training steps, on invented data and a tiny BERT.

    python -m pytest test_train.py

The splits of the real data are checked too where TAPEWIRE_LABELLED_DATA names them.
"""

import csv
import json
import os
import random
import re
from argparse import Namespace
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from augment import Augmenter, Rates, Varied
from calibrate import (
    apply_head,
    cross_validate,
    error_by_chance,
    expected_calibration_error,
    fit_temperature,
    refit_head,
)
from direction import Drawer, draw_rows, held_out_samples, read_grammar
from encoding import LABEL_ID, LABELS, encode, pad, predict
from evaluate import BEGIN, END, confusion, direction_set, exchanged, macro_f1, write_between_markers
from near_duplicates import group_near_duplicates
from prepare import prepare, restore_entity
from relabel import relabel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from train import Loss, train
from transformers import BertConfig, BertForSequenceClassification
from written import FOLDER, read_rows, resembles, written_samples

VERBS = {
    "positive": ["soars", "beats forecasts", "lifts outlook"],
    "negative": ["plunges", "misses forecasts", "cuts outlook"],
    "neutral": ["names a chair", "holds its meeting", "opens a site"],
}
SPLITS = ["train", "validation", "test", "dev", "unseen"]


def invented_data(folder: Path) -> Path:
    """The three sources' files, small, in the shapes prepare.py reads."""
    draw = random.Random(7)
    names = [
        f"{a}{b}"
        for a in ("Alder", "Birch", "Cedar", "Dogwood", "Elm", "Fir")
        for b in ("tech", "oil", "bank", "food", "rail")
    ]
    for part in ("sentfin", "twitter-financial", "finentity"):
        (folder / part).mkdir(parents=True)
    with (folder / "sentfin" / "SEntFiN.csv").open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["S No.", "Title", "Decisions", "Words"])
        for number in range(300):
            (one, other), label, second = draw.sample(names, 2), draw.choice(LABELS), draw.choice(LABELS)
            title = f"{one} {draw.choice(VERBS[label])}, {other} {draw.choice(VERBS[second])} in week {number}"
            rows.writerow([number, title, str({one: label, other: second}), 9])
        rows.writerow([300, "Elm's Bank soars today", "{'Elm's Bank': 'positive'}", 4])
        rows.writerow([301, "Fir Holdings opens a site", "{'Fir neutralings': 'neutral'}", 5])
        rows.writerow([302, "Cedarbank wavers on the day", "{'Cedarbank': 'positive'}", 5])
        rows.writerow([303, "CEDARBANK wavers on the day!", "{'Cedarbank': 'negative'}", 5])
    codes = {"negative": 0, "positive": 1, "neutral": 2}
    for name, count in (("train", 200), ("valid", 40)):
        with (folder / "twitter-financial" / f"sent_{name}.csv").open("w", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(["text", "label"])
            for number in range(count):
                label = draw.choice(LABELS)
                rows.writerow([f"$ELM {draw.choice(VERBS[label])} {name} {number} https://t.co/{number}", codes[label]])
            rows.writerow(["Birchoil beats forecasts by a wide margin this quarter https://t.co/zz" + name, 1])
    paragraphs = []
    for number in range(60):
        one, label = draw.choice(names), draw.choice(LABELS)
        content = f"{one} {draw.choice(VERBS[label])} after the close on day {number}."
        paragraphs.append(
            {"content": content, "annotations": [{"value": one, "label": label.title(), "start": 0, "end": len(one)}]}
        )
    (folder / "finentity" / "FinEntity.json").write_text(json.dumps(paragraphs))
    return folder


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return prepare(invented_data(tmp_path_factory.mktemp("labelled")))


def assert_no_leak(samples: list[dict]) -> None:
    for key in ("text", "group"):
        found = {split: {s[key] for s in samples if s["split"] == split} for split in SPLITS}
        for one in SPLITS:
            for other in SPLITS:
                assert one == other or not found[one] & found[other], f"{key} shared by {one} and {other}"
    assert not [s for s in samples if s["source"] == "finentity" and s["split"] in ("train", "validation", "test")]


def test_splits_are_the_same_on_every_run_and_in_any_order(samples, tmp_path):
    data = invented_data(tmp_path / "again")
    assert prepare(data) == samples
    path = data / "sentfin" / "SEntFiN.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(rows)]) + "\n")
    places = {(s["text"], s["company"]): s["split"] for s in samples}
    assert {(s["text"], s["company"]): s["split"] for s in prepare(data)} == places


def test_no_text_or_group_lies_in_two_splits(samples):
    assert_no_leak(samples)
    assert {s["split"] for s in samples} == set(SPLITS)
    shared = [s for s in samples if s["text"].startswith("Birchoil beats forecasts by")]
    assert [s["split"] for s in shared] == ["test"], "a training tweet that resembles a published test tweet is dropped"


def test_the_real_data_does_not_leak():
    folder = os.environ.get("TAPEWIRE_LABELLED_DATA")
    if not folder:
        print("skipped: TAPEWIRE_LABELLED_DATA is not set")
        pytest.skip("TAPEWIRE_LABELLED_DATA is not set")
        return
    assert_no_leak(prepare(Path(folder)))


def test_labels_keep_their_meaning_in_every_source(samples):
    assert LABELS == ["positive", "negative", "neutral"]
    assert LABEL_ID == {"positive": 0, "negative": 1, "neutral": 2}
    for sample in samples:
        about = sample["text"].split(sample["company"], 1)[-1] if sample["company"] else sample["text"]
        told = min(LABELS, key=lambda label: min((about + verb).find(verb) for verb in VERBS[label]))
        assert sample["label"] == told or "wavers" in sample["text"] or "Bank" in sample["text"]


def test_repairs_and_conflicts(samples):
    by_company = {s["company"]: s for s in samples}
    assert by_company["Elm's Bank"]["label"] == "positive"
    assert by_company["Fir Holdings"]["label"] == "neutral"
    assert not [s for s in samples if "wavers" in s["text"]], "labels that disagree are dropped"
    assert restore_entity("Rusnegative Co", "Deal for Russell Co closes") == "Russell Co"


def test_near_duplicates():
    texts = [
        "Acme lifts its full year profit outlook again",
        "ACME lifts full year profit outlook again!",
        "Acme cuts its outlook",
        "https://t.co/a",
        "",
    ]
    assert group_near_duplicates(texts) == [0, 0, 2, 3, 4]


def test_augmentation_is_seeded_and_keeps_the_label(samples):
    augmenter = Augmenter([s for s in samples if s["split"] == "train"], Rates())
    one, again = (augmenter.epoch(random.Random(3)) for _ in range(2))
    assert one == again != augmenter.epoch(random.Random(4))
    plain = Augmenter(augmenter.samples, Rates(*[0] * len(fields(Rates)))).epoch(random.Random(3))
    assert sorted(map(str, plain)) == sorted(str((s["text"], s["company"], s["label"])) for s in augmenter.samples)
    doubled = Augmenter(
        augmenter.samples, Rates(whole=0, substitute=1, other_story=0, unmatched=0, quoted=0, legal_form=0, code=0)
    )
    assert all(company in text for text, company, _ in doubled.epoch(random.Random(3)) if company and "$" not in text)


def tiny_tokenizer() -> Tokenizer:
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *sorted({w for verbs in VERBS.values() for verb in verbs for w in verb.split()}),
    ]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def train_tiny(
    samples, seed: int, teacher: Path | None = None, direction: int = 0
) -> tuple[BertForSequenceClassification, list[dict]]:
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        num_labels=3,
        hidden_dropout_prob=0.0,
        initializer_range=0.2,
    )
    model = BertForSequenceClassification(config)
    args = Namespace(
        seed=seed,
        batch=16,
        rate=3e-3,
        layer_decay=0.9,
        epochs=1,
        steps=80,
        train_words=True,
        frozen_layers=0,
        average=False,
        code_rate=0.08,
        direction=direction,
        written=0,
        share=1.0,
    )
    return train(model, tiny_tokenizer(), samples, Loss(0.0, teacher), args)


def test_a_few_steps_learn_and_repeat(samples):
    tweets = [s for s in samples if s["source"] == "twitter"]
    model, history = train_tiny(tweets, seed=5)
    again, _ = train_tiny(tweets, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    assert history[-1]["accuracy"]["twitter"] > 0.8, "single words decide these labels"


def test_a_student_learns_from_a_teacher_that_contradicts_the_labels(samples, tmp_path):
    """Four fifths of the loss are the teacher's, so the student learns its labels and not those of the samples."""
    tweets = [s for s in samples if s["source"] == "twitter"]
    turned = {"positive": "negative", "negative": "positive", "neutral": "neutral"}
    teacher, _ = train_tiny([{**s, "label": turned[s["label"]]} for s in tweets], seed=6)
    teacher.save_pretrained(tmp_path)
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    _, history = train_tiny(tweets, seed=5, teacher=tmp_path)
    assert history[-1]["accuracy"]["twitter"] < 0.5


def test_the_teacher_has_no_say_in_rows_made_by_grammar(samples, tmp_path):
    torch.manual_seed(1)
    teacher = BertForSequenceClassification(
        BertConfig(vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, num_labels=3)
    )
    teacher.save_pretrained(tmp_path)
    tiny_tokenizer().save(str(tmp_path / "tokenizer.json"))
    rows: list[Varied] = [("soars", None, "positive"), ("plunges", None, "negative")]
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    alone, taught = Loss(0.0, None), Loss(0.0, tmp_path)
    by_label = alone(logits, rows, frozenset())
    assert torch.equal(taught(logits, rows, frozenset(rows)), by_label)
    one, both = (taught(logits, rows, untaught) for untaught in (frozenset(rows[:1]), frozenset()))
    assert len({round(float(loss), 6) for loss in (by_label, one, both)}) == 3


def test_rows_made_by_grammar_are_seeded_and_filled_in():
    rows = draw_rows(random.Random(4), 3000)
    assert rows == draw_rows(random.Random(4), 3000) != draw_rows(random.Random(5), 3000)
    left = re.compile(r"\{|\}|~|<[a-z]+\d?>|\([^()]*\|[^()]*\)")
    assert not [text for text, _, _ in rows if left.search(text) or "  " in text]
    assert {label for _, _, label in rows} == set(LABELS)
    counts = [sum(label == wanted for _, _, label in rows) for wanted in LABELS]
    assert counts[0] / counts[1] == pytest.approx(1, abs=0.15), "as much good news as bad"
    assert counts[2] > 300


def test_a_wording_says_the_opposite_when_its_sign_turns():
    drawer = Drawer(read_grammar(), random.Random(1))
    rising = drawer.fill("{A} <good> [up~down], <bad> same", 1)
    assert " up, " in rising
    for sign, way in ((1, "down"), (-1, "up")):
        assert drawer.fill("[up~down] <bad>", sign).split()[0] == way, "a rise of a cost is bad news"
        assert drawer.fill("[+good~poor] <bad>", sign).split()[0] == ("good" if sign > 0 else "poor")
    for _ in range(200):
        larger, smaller = (
            float(re.sub(r"[^0-9.]", "", part.replace("Rs ", "")))
            for part in drawer.fill("{n1} of {n2}", 1).split(" of ")
        )
        assert larger > smaller


def test_a_grammar_line_has_the_labels_it_says():
    drawer = Drawer(read_grammar(), random.Random(2))
    for wording in drawer.grammar.wordings:
        assert set(wording.labels) <= {"A", "B"} and set(wording.labels.values()) <= {"s", "-s", "+", "-", "0"}, wording
        assert all("{" + mark in wording.text for mark in wording.labels), wording
    assert len(drawer.grammar.wordings) >= 250


def test_held_out_families_are_never_trained_on():
    grammar = read_grammar()
    families = {held: {w.family for w in grammar.wordings if w.held_out == held} for held in (True, False)}
    assert len(families[True]) >= 8 and not families[True] & families[False]
    watched = {sample["text"] for sample in held_out_samples()}
    assert len(watched) > 500 and not watched & {text for text, _, _ in draw_rows(random.Random(7), 20000)}


def test_rows_made_by_grammar_are_part_of_an_epoch(samples):
    tweets = [s for s in samples if s["source"] == "twitter"]
    _, history = train_tiny(tweets, seed=5, direction=40)
    assert set(history[-1]["accuracy"]) == {"direction", "twitter"}


def test_only_clear_training_headlines_are_relabelled():
    def row(text: str, label: str, split: str = "train", company: str = "Elm") -> dict:
        return {"source": "sentfin", "text": text, "company": company, "label": label, "split": split}

    kept = [
        row("Elm Q2 net loss narrows to 4 crore", "negative", "test"),
        row("Elm Q1 net loss narrows to 5 crore", "negative", "validation"),
        row("Elm loss narrows, shares fall", "negative"),
        row("Elm net profit rises below estimates", "negative"),
        row("Elm net loss widens to 5 crore", "negative"),
        row("Elm and Fir net loss narrows", "negative"),
        row("Elm and Fir net loss narrows", "neutral", company="Fir"),
        row("Elm names a chair", "neutral"),
    ]
    assert relabel(kept) == kept
    turned = relabel([row("Elm Q3 net loss narrows to 4 crore", "negative"), row("Elm net loss widens", "positive")])
    assert [(s["label"], s["relabelled"]) for s in turned] == [
        ("positive", "loss narrows"),
        ("negative", "loss widens"),
    ]


def test_exchanged_names_exchange_the_labels():
    text = "Elm gains, Fir Oil sinks"
    rows = [
        {"text": text, "company": "Elm", "label": "positive"},
        {"text": text, "company": "Fir Oil", "label": "negative"},
        {"text": "Elm alone", "company": "Elm", "label": "neutral"},
    ]
    assert [(r["text"], r["company"], r["label"]) for r in exchanged(rows)] == [
        ("Fir Oil gains, Elm sinks", "Elm", "negative"),
        ("Fir Oil gains, Elm sinks", "Fir Oil", "positive"),
        (text, "Elm", "positive"),
        (text, "Fir Oil", "negative"),
    ]


def test_the_direction_set_is_whole_and_shares_no_text_with_the_grammar():
    rows = direction_set()
    assert len(rows) >= 400 and len({row["kind"] for row in rows}) == 10
    assert {row["label"] for row in rows} == set(LABELS)
    assert not {row["text"] for row in rows} & {text for text, _, _ in draw_rows(random.Random(3), 20000)}


def test_written_headlines_are_whole_and_apart_from_the_direction_set():
    rows = [row for path in sorted(FOLDER.glob("*.csv")) for row in read_rows(path)]
    assert len(rows) >= 9800 and {row["label"] for row in rows} == set(LABELS)
    assert all(set(row) == {"text", "company", "label"} and row["text"].strip() for row in rows)
    assert len({(row["text"], row["company"]) for row in rows}) == len(rows)
    samples = written_samples()
    texts = {split: {s["text"] for s in samples if s["split"] == split} for split in ("train", "validation")}
    assert len(texts["validation"]) > 300 and not texts["train"] & texts["validation"]
    # A row that resembles a text of the direction set would be left out. Today no row does.
    assert len(samples) == len(rows)
    assert not {row["text"] for row in direction_set()} & set.union(*texts.values())


def test_what_resembles_shares_most_of_its_words():
    text = frozenset("elm cuts its costs by a tenth".split())
    assert resembles(text, [frozenset("fir cuts its costs by a tenth".split())])
    assert not resembles(text, [frozenset("elm raises its forecast by a tenth".split())])


def test_padding_changes_no_logit():
    torch.manual_seed(1)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=64,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=64,
            num_labels=3,
        )
    ).eval()
    rows = [
        encode(tiny_tokenizer(), "soars", "plunges"),
        encode(tiny_tokenizer(), "soars soars soars soars soars", None),
    ]
    assert rows[0] == ([2, rows[0][0][1], 3, rows[0][0][3], 3], [0, 0, 0, 1, 1])
    alone = [model(**pad([row], model.config)).logits[0].detach().numpy() for row in rows]
    assert np.allclose(predict(model, rows, bf16=False), alone, atol=1e-6)


def test_the_head_is_fitted_again_under_the_ridge():
    draw = np.random.default_rng(2)
    features, true_head = draw.normal(size=(4000, 4)), (draw.normal(size=(3, 4)), np.zeros(3))
    logits = apply_head(true_head, features)
    truth = (logits + draw.gumbel(size=logits.shape)).argmax(1)
    wrong = (3 * true_head[0] * np.array([1, 1, 0.2, 1]), np.array([0.5, 0.0, -0.5]))
    held = refit_head([(features, truth)], wrong, ridge=1e6)
    temperature = fit_temperature([(apply_head(wrong, features), truth)])
    assert np.allclose(held[0], wrong[0] / temperature, atol=1e-3), "a stiff ridge leaves only the temperature"
    free = apply_head(refit_head([(features, truth)], wrong, ridge=1e-6), features)
    assert (
        expected_calibration_error(free, truth) < 0.03 < expected_calibration_error(apply_head(wrong, features), truth)
    )
    groups = [np.arange(len(truth))]
    assert cross_validate([(features, truth)], groups, wrong, 1e-6)[0]["ece"] < 0.04


def test_calibration_and_figures(tmp_path):
    logits = np.log(np.array([[0.8, 0.1, 0.1]] * 10))
    truth = np.array([0] * 8 + [1, 2])
    assert expected_calibration_error(logits, truth) == pytest.approx(0, abs=1e-9)
    assert expected_calibration_error(logits, np.zeros(10, dtype=int)) == pytest.approx(0.2)
    many = np.repeat(logits, 1000, axis=0)
    assert error_by_chance(many) < 0.005 < 0.03 < error_by_chance(logits), "a larger sample has less error by chance"
    assert fit_temperature([(logits * 2.5, truth)]) == pytest.approx(2.5, rel=0.01)
    counts = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]))
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert macro_f1(counts) == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    card = tmp_path / "README.md"
    card.write_text(f"a\n{BEGIN}\nold\n{END}\nz\n")
    write_between_markers(card, "new")
    assert card.read_text() == f"a\n{BEGIN}\nnew\n{END}\nz\n"

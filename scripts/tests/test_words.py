"""Phrases that are not plain English are found, and nothing else."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import words


class Words(unittest.TestCase):
    def test_phrases_are_found_across_lines_and_in_names(self):
        text = "/// Takes so\n    /// many rows.\nfn what_is_no_number() {}\n# So many. The rest is none."
        self.assertEqual([line for line, *_ in words.phrases(text)], [1, 3, 4, 4])

    def test_plain_text_has_none(self):
        text = "value is None\nx.is_none()\nletting goods go\nrenewal of a number\nso manyfold"
        self.assertEqual(words.phrases(text), [])


if __name__ == "__main__":
    unittest.main()

"""The table that runs of fuzz targets are added to."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import fuzz


class Record(unittest.TestCase):
    def test_runs_of_several_days_add_up(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "results" / "fuzz.md"
            for date, inputs, passed in (("2026-11-28", 1_200_000, True), ("2026-11-29", 300, False)):
                fuzz.record(file, fuzz.Result("core/tickers", inputs, 60.4, passed), "0123456789", date)
            fuzz.record(file, fuzz.Result("core/texts", 7, 0.0, True), "0123456789+", "2026-11-29")
            lines = file.read_text().splitlines()
            self.assertEqual(lines[0], "# Fuzz targets")
            self.assertEqual(
                lines[-3:],
                [
                    "| core/tickers | 1,200,000 | 60 | 19,868 | 0123456789 | 2026-11-28 | passed |",
                    "| core/tickers | 300 | 60 | 5 | 0123456789 | 2026-11-29 | failed |",
                    "| core/texts | 7 | 0 |  | 0123456789+ | 2026-11-29 | passed |",
                ],
            )
            self.assertEqual(lines.count(lines[0]), 1)
            self.assertEqual(fuzz.totals(file), {"core/tickers": 1_200_300, "core/texts": 7})

    def test_the_commit_is_that_of_the_tree(self) -> None:
        self.assertRegex(fuzz.commit_of_tree(), r"^[0-9a-f]{10}\+?$")


if __name__ == "__main__":
    unittest.main()

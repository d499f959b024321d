"""The dbt project on seeded tables: its own tests pass, find what they are for, and the marts have the tables' numbers.

`python3 dashboards/tests/dbt_marts.py`; needs a running ClickHouse. It is no `test_*.py`, because it runs without
Superset's environment and installs dbt.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

os.environ["TAPEWIRE_DASHBOARDS_TEST_DATABASE"] = "tapewire_dbt_test"
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

import database
import seed

MARTS = f"{database.NAME}_marts"
PROGRAM = Path(__file__).resolve().parents[1] / "dbt.py"


def dbt(*arguments: str, target: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = {"TAPEWIRE_CLICKHOUSE_URL": database.URL, "TAPEWIRE_CLICKHOUSE_DATABASE": database.NAME}
    paths = {"DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target)}
    command = [sys.executable, str(PROGRAM), *arguments]
    environment = {**os.environ, **ours, **paths, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)


def rows(sql: str) -> list[list]:
    answer = database.write(sql, default_format="JSONCompact", output_format_json_quote_64bit_integers=0)
    return json.loads(answer)["data"]


class Marts(unittest.TestCase):
    target: Path

    @classmethod
    def setUpClass(cls) -> None:
        database.create()
        database.insert(seed.rows())
        database.insert(seed.rows(run=seed.OTHER_RUN, **seed.EARLIER))
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.addClassCleanup(database.drop)
        cls.addClassCleanup(database.write, f"DROP DATABASE IF EXISTS {MARTS} SYNC", database="system")
        cls.target = Path(folder.name)

    def test_marts(self) -> None:
        built = dbt("build", target=self.target)
        self.assertEqual(built.returncode, 0, built.stdout + built.stderr)
        with self.subTest("facts"):
            self.assert_facts()
        with self.subTest("statistics"):
            self.assert_statistics()
        with self.subTest("lineage page"):
            made = dbt("docs", "generate", "--static", target=self.target)
            self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
            self.assertIn("fct_mention", (self.target / "static_index.html").read_text())
        with self.subTest("freshness"):
            fresh = dbt("source", "freshness", target=self.target)
            self.assertRegex(fresh.stdout, r"ERROR STALE freshness of \S*articles")
        with self.subTest("faults"):
            self.assert_faults_are_found()

    def assert_facts(self) -> None:
        [[mentions, joined, outcomes]] = rows(
            f"SELECT (SELECT count() FROM {MARTS}.fct_mention), (SELECT countIf(status IS NOT NULL) FROM "
            f"{MARTS}.fct_mention), (SELECT count() FROM {MARTS}.fct_outcome)"
        )
        [[wanted, returns]] = rows(
            "SELECT (SELECT count() FROM impact FINAL), (SELECT countIf(ret IS NOT NULL) FROM impact_by_horizon)"
        )
        self.assertEqual((mentions, joined, outcomes), (wanted, wanted, returns))
        self.assertGreater(outcomes, 500)
        by_day = (
            "SELECT run, symbol, toDate(available_at) AS day, count() AS n, round(avg(score), 9) AS mean "
            "FROM current_mentions WHERE symbol != '' GROUP BY run, symbol, day ORDER BY run, symbol, day"
        )
        of_marts = (
            f"SELECT run, symbol, day, mentions, round(mean_score, 9) FROM {MARTS}.symbol_day "
            "WHERE mentions > 0 ORDER BY ALL"
        )
        self.assertEqual(rows(of_marts), rows(by_day))
        [[lowest, ret]] = rows(
            f"SELECT low, ret FROM {MARTS}.symbol_day WHERE run = '{seed.RUN}' AND symbol = 'ARBO' ORDER BY day LIMIT 1"
        )
        bars = [bar for bar in seed.rows()["bars"] if bar["symbol"] == "ARBO" and bar["start"].startswith("2026-03-05")]
        bars.sort(key=lambda bar: bar["start"])
        self.assertEqual(lowest, min(bar["low"] for bar in bars))
        [[expected]] = rows(f"SELECT log({bars[-1]['close']} / {bars[0]['open']})")
        self.assertAlmostEqual(ret, expected, delta=1e-12)

    def assert_statistics(self) -> None:
        for mart, view, order in (
            ("rank_ic", "information_coefficient", "horizon, outcome"),
            ("mean_outcome", "mean_outcome", "ALL"),
        ):
            for run in (seed.RUN, seed.OTHER_RUN):
                given = f"runs = ['{run}'], symbols = [], since = '1970-01-01 00:00:00', until = '2200-01-01 00:00:00'"
                of_view = rows(f"SELECT * FROM {view}({given}) ORDER BY {order}")
                of_mart = rows(f"SELECT * EXCEPT run FROM {MARTS}.{mart} WHERE run = '{run}' ORDER BY {order}")
                self.assertEqual(of_mart, of_view)
                self.assertTrue(of_view or run == seed.OTHER_RUN, view)

    def assert_faults_are_found(self) -> None:
        database.write(
            "INSERT INTO impact SELECT * REPLACE (version + 1 AS version, available_at - INTERVAL 1 HOUR AS entry_at) "
            f"FROM impact FINAL WHERE run = '{seed.RUN}' AND symbol != '' LIMIT 1"
        )
        database.write(
            "INSERT INTO impact SELECT * REPLACE ('without-mention' AS article_id) "
            f"FROM impact FINAL WHERE run = '{seed.RUN}' AND symbol != '' LIMIT 1"
        )
        built = dbt("build", target=self.target)
        self.assertEqual(built.returncode, 1, built.stdout)
        for test in ("no_look_ahead", "nothing_is_lost"):
            self.assertRegex(built.stdout, rf"FAIL 1 {test} ")

    def test_unusable_settings_are_refused(self) -> None:
        refused = dbt("build", target=self.target, TAPEWIRE_CLICKHOUSE_URL="127.0.0.1:8123")
        self.assertEqual((refused.returncode, refused.stdout), (2, ""))
        self.assertIn("TAPEWIRE_CLICKHOUSE_URL=127.0.0.1:8123: give http://HOST:PORT", refused.stderr)
        refused = dbt("build", target=self.target, TAPEWIRE_CLICKHOUSE_PASSWORD_FILE="/nowhere")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("/nowhere: No such file", refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

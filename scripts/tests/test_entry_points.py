"""What people and CI start by its path can be started."""

import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class EntryPoints(unittest.TestCase):
    def test_every_script_has_the_right_to_be_executed_in_a_clone(self):
        listed = subprocess.run(
            ["git", "ls-files", "--stage"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        modes = {path: facts.split()[0] for facts, path in (line.split("\t") for line in listed.splitlines())}
        scripts = [path for path in modes if (ROOT / path).is_file() and (ROOT / path).read_bytes().startswith(b"#!/")]
        self.assertIn(".ci/run", scripts)
        self.assertEqual([path for path in scripts if modes[path] != "100755"], [])


if __name__ == "__main__":
    unittest.main()

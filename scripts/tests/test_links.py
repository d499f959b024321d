"""Links between the repository's documents lead to files that are there."""

import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


class Links(unittest.TestCase):
    def test_every_linked_file_is_there(self):
        listed = subprocess.run(
            ["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        documents = [ROOT / path for path in listed.splitlines() if (ROOT / path).is_file()]
        links = [(document, target) for document in documents for target in LINK.findall(document.read_text())]
        self.assertGreater(len(links), 10)
        self.assertEqual([(str(d), target) for d, target in links if not (d.parent / target).exists()], [])


if __name__ == "__main__":
    unittest.main()

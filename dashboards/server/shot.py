"""Saves a picture of a dashboard: `shot.py SUPERSET_URL ADMIN_PASSWORD_FILE SLUG PNG`."""

import sys
from pathlib import Path

from browser import Browser, PageError

UNREACHABLE = 3


def main(url: str, password_file: str, slug: str, picture: str) -> int:
    try:
        with Browser(url, Path(password_file).read_text().strip(), may_be_empty=True) as browser:
            try:
                browser.open(slug)
            finally:
                # Also of a page that is not as it should be: it shows what is wrong.
                browser.save(Path(picture))
            if failures := browser.failures():
                raise PageError(f"requests failed: {'; '.join(failures)}")
    except PageError as error:
        print(f"dashboards: {error}", file=sys.stderr)
        return UNREACHABLE
    print(f"dashboards: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

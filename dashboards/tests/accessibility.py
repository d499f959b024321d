"""Accessibility faults that axe-core finds in a page, and those that only Superset could fix."""

from dataclasses import dataclass
from pathlib import Path

from browser import Browser

from stack import downloads

# The rules of WCAG 2.1 at the levels A and AA, and what axe recommends beyond them.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")
# Widths of a laptop's window and of a desktop's, in CSS pixels.
WIDTHS = (1366, 1920)
FIND = """
    const [rules, known, done] = arguments;
    axe.run(document, {runOnly: rules, resultTypes: ['violations'], elementRef: true}).then(
        ({violations}) => done(violations.flatMap(rule => rule.nodes.map(node => ({
            rule: rule.id,
            impact: node.impact,
            selector: node.target.join(' '),
            html: node.html.slice(0, 200),
            reason: [...node.any, ...node.all, ...node.none].map(check => check.message).join('; '),
            known: known.findIndex(([id, selector]) => id === rule.id && node.element.matches(selector)),
        })))),
        error => done(String(error)),
    );
"""


@dataclass(frozen=True)
class Known:
    """What Superset's own interface does against a rule, and why it stays so."""

    rule: str
    selector: str
    reason: str


# Each occurs on every page, at one of the widths at least.
KNOWN = (
    Known("aria-allowed-role", "#main-menu", "Superset's menu is a <header> with the role of a navigation"),
    Known(
        "label-content-name-mismatch",
        ".filter-counts",
        "the button of the filters that apply to a chart shows their number and an icon, and is named by a sentence",
    ),
    Known(
        "label-content-name-mismatch",
        "[data-test='time-range-trigger']",
        "the button of a time filter is named by the filter, and shows what is chosen",
    ),
    Known("page-has-heading-one", "html", "Superset writes the title of a page into a field and not into a heading"),
)
# What occurs in the dark theme besides.
KNOWN_IN_THE_DARK: tuple[Known, ...] = ()


@dataclass(frozen=True)
class Violation:
    """An element that breaks a rule. `known` is its place among what is known, or -1."""

    rule: str
    impact: str
    selector: str
    html: str
    reason: str
    known: int

    def __str__(self) -> str:
        return f"{self.rule} ({self.impact}): {self.selector}\n    {self.html}\n    {self.reason}"


def axe(cache: Path) -> str:
    """The pinned axe-core, a script."""
    (script,) = downloads.obtain(downloads.load("axe"), cache)
    return script.read_text()


def violations(browser: Browser, script: str, known: tuple[Known, ...] = KNOWN) -> list[Violation]:
    """What axe finds in the page as it is now."""
    browser.driver.execute_script(script)
    pairs = [(entry.rule, entry.selector) for entry in known]
    found = browser.driver.execute_async_script(FIND, RULES, pairs)
    if isinstance(found, str):
        raise RuntimeError(f"axe: {found}")
    return [Violation(**entry) for entry in found]

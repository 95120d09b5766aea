"""The documentation names only what exists: files by their links, tests by their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing, f"{page.name} links to {missing}"


def test_ideas_name_tests_that_exist() -> None:
    text = (ROOT / "docs/ideas.md").read_text()
    suite = {path.name: path.read_text() for path in (ROOT / "tests/compliance").glob("test_*.py")}
    for name in re.findall(r"`(test_\w+\.py)", text):
        assert name in suite, f"docs/ideas.md names {name}"
    current = ""
    for file, test in re.findall(r"`(?:(test_\w+\.py))?(?:::)?(test_\w+)?`", text):
        current = file or current
        assert not test or f"def {test}(" in suite[current], f"docs/ideas.md names {current}::{test}"

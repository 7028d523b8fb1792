"""The documentation site builds without a warning and works offline."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from docs_pages import PAGES, ROOT, text

from docs.reference_pages import MARKER
from docs.reference_pages import PAGES as TABLES

LOADED = {"img": "src", "link": "href", "script": "src", "source": "src"}


class Page(HTMLParser):
    """Anchors, links and loaded files of an HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := values.get(key))}
        if tag == "a" and (link := values.get("href")):
            self.links.append(link)
        if tag in LOADED and (file := values.get(LOADED[tag])):
            self.loaded.append(file)


def build(out: Path) -> dict[Path, Page]:
    """Build the site and return its pages."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b", "html"]
    built = subprocess.run([*command, "docs", str(out)], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return {path: Page(path) for path in out.rglob("*.html") if "_static" not in path.parts}


def broken_links(site: dict[Path, Page]) -> Iterator[str]:
    for path, page in site.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = site[target].anchors if target in site else {parts.fragment}
            if not target.exists() or (parts.fragment and unquote(parts.fragment) not in anchors):
                yield f"{path.name}: {link}"


# One test, because each worker would build the site for tests of its own.
def test_the_site_builds_without_a_warning_and_works_offline(tmp_path: Path) -> None:
    site = build(tmp_path)
    sources = [page for page in PAGES if "docs" in page.relative_to(ROOT).parts]
    assert len(site) >= len(sources) > 30
    assert sum(len(page.links) for page in site.values()) > 1000
    assert not list(broken_links(site))
    loaded = {file for page in site.values() for file in page.loaded}
    assert not [file for file in loaded if urlsplit(file).scheme or file.startswith("//")]
    (method,) = (path for path in site if path.name == "method.html")
    assert "<math" in method.read_text(encoding="utf-8")


def test_each_generated_table_is_on_a_page_and_has_rows() -> None:
    pages = "\n".join(text(page) for page in PAGES if page.parent.name != "results")
    assert set(MARKER.findall(pages)) == set(TABLES)
    for name, table in TABLES.items():
        assert sum(line.startswith("|") for line in table()) > 3, name


@pytest.mark.parametrize("table", ["manifest", "policy_step", "swap_status", "run_report"])
def test_each_field_of_a_format_is_described(table: str) -> None:
    rows = [line for line in TABLES[table]() if line.startswith("| `")]
    assert len(rows) > 5
    assert not [row for row in rows if row.endswith("|  |")]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_each_link_of_a_page_outside_the_site_resolves(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", text(ROOT / page)):
        assert urlsplit(link).scheme or (ROOT / link).exists(), link

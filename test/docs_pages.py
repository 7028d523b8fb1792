"""The pages of the documentation and their code blocks."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    return [block for found, block in FENCE.findall(text(page)) if found == language]


def prose(page: Path) -> str:
    return FENCE.sub("", text(page))


def inline_code(page: Path) -> Iterator[str]:
    yield from dict.fromkeys(INLINE.findall(prose(page)))


def commands(page: Path) -> Iterator[str]:
    """The shell commands of a page, each without its comment."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            for command in line.partition(" #")[0].split("&&"):
                if command.strip():
                    yield command.strip()

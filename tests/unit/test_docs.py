"""Every link, path and module that the documentation names exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if page.name != "CHANGELOG.md"  # it may name what is gone
)
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
PATH = re.compile(r"(?<![\w/.<-])(?:tasks|warehouse|configs|flows|tests|docs)/[\w./*-]*[\w*/]")
MODULE = re.compile(r"(?<![\w/.])(?:tasks|warehouse|configs|flows)(?:\.[A-Za-z_]\w*)+")
DEFINED = r"^(?:async )?(?:def|class) {0}\b|^{0}\b.*="


def pages():
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page):
    """The text outside code blocks, whose commands and examples are run by other tests."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def is_there(path):
    return any(ROOT.glob(path.rstrip("/")))


def is_defined(dotted):
    """Whether it is a package, a module, or a name defined in a module."""
    *parents, name = dotted.split(".")
    path, home = ROOT.joinpath(*parents, name), ROOT.joinpath(*parents).with_suffix(".py")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    return home.is_file() and bool(re.search(DEFINED.format(name), home.read_text("utf-8"), re.MULTILINE))


@pages()
def test_links_lead_to_files(page):
    targets = [(page.parent / link).resolve() for link in LINK.findall(prose(page))]
    assert [str(target) for target in targets if not target.exists()] == []


@pages()
def test_paths_exist(page):
    assert [path for path in PATH.findall(prose(page)) if not is_there(path)] == []


@pages()
def test_modules_exist(page):
    names = MODULE.findall(prose(page))
    assert [name for name in names if not (name.endswith(".py") or is_defined(name))] == []

"""A hook of MkDocs: the site's pages are the repository's Markdown files, at their own paths, so that their links work.

No text is copied. Three things are made while the site is built: a page for each section of strategies/README.md, with
the strategy's source; the sources of the examples, below their list; and the navigation.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ("*.md", "*/README.md", "server/*/README.md", "examples/*/*.md", "deploy/*/*.md", "deploy/helm/*/*.md")
"""Of the pages. A pattern may match nothing."""
EXCLUDED = ("build", "deploy/package", "dist")
CATALOGUE = "strategies/README.md"
EXAMPLES = "examples/README.md"
HOME = "README.md"
FIRST = ("CONTRIBUTING.md", EXAMPLES, "server/README.md")
"""The first pages of their tabs."""
TABS = {
    "deploy/results/": "Measurements",
    "examples/": "Clients",
    "findings/": "Project",
    "strategies/": "Strategies",
    "tests/": "Project",
}
"""The tab of the navigation for the pages of a folder; pages of the root are the project's, and others the server's."""
LANGUAGES = {".py": "python", ".sh": "sh"}
SECTION = re.compile(r"^## `(?P<name>\w+)`\n(?P<text>.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?P<text>!?\[[^\]\n]*\])\((?P<target>[^)\s:#]+)(?P<anchor>#[^)\s]*)?\)")
"""A link to a file of the repository."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Set the navigation."""
    config.nav = build_navigation(find_pages(), list(split_catalogue()))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the repository's pages, the files that they link to, and a page for each strategy."""
    pages = find_pages()
    texts = {path: (ROOT / path).read_text() for path in pages}
    linked = {target for path, text in texts.items() for target in find_linked_files(path, text)}
    for path in [*pages, *sorted(linked - set(pages))]:
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for name, section in split_catalogue().items():
        files.append(File.generated(config, f"strategies/{name}.md", content=build_strategy_page(name, section)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fit a file's text to the site."""
    path = page.file.src_uri
    if path == CATALOGUE:
        markdown = build_catalogue_page(markdown)
    if path == EXAMPLES:
        markdown += build_sources(sorted(Path(ROOT, "examples").iterdir()))
    return remove_outside_links(path, markdown)


def find_pages() -> list[str]:
    """Return the paths of the Markdown files that are pages, from the root of the repository."""
    found = {path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern)}
    return sorted(path for path in found if not path.startswith((".", *EXCLUDED)))


def resolve(path: str, target: str) -> Path:
    """Return the file that a page's link means."""
    return (ROOT / path).parent.joinpath(target).resolve()


def find_linked_files(path: str, text: str) -> set[str]:
    """Return the files of the repository that a page links to, from its root: pictures, programs, settings."""
    targets = (resolve(path, match["target"]) for match in LINK.finditer(text))
    return {found.relative_to(ROOT).as_posix() for found in targets if found.is_relative_to(ROOT) and found.is_file()}


def remove_outside_links(path: str, text: str) -> str:
    """Replace links to folders, and to what is above the repository, by their text: no page of the site is meant."""

    def replace(match: re.Match[str]) -> str:
        target = resolve(path, match["target"])
        inside = target.is_relative_to(ROOT) and not target.is_dir()
        return match[0] if inside else match["text"].removeprefix("!")[1:-1]

    return LINK.sub(replace, text)


def split_catalogue() -> dict[str, str]:
    """Return the sections of strategies/README.md by the names of strategies."""
    return {match["name"]: match["text"].strip() for match in SECTION.finditer((ROOT / CATALOGUE).read_text())}


def build_catalogue_page(markdown: str) -> str:
    """Replace each strategy's section by a line that links to its page."""
    head = SECTION.sub("", markdown)
    lines = [f"- [`{name}`]({name}.md): {section.splitlines()[0]}" for name, section in split_catalogue().items()]
    introduction, *groups = re.split(r"(?=^## )", head, flags=re.MULTILINE)
    return "\n".join([introduction.strip(), "", *lines, "", *groups])


def build_strategy_page(name: str, section: str) -> str:
    """Build a strategy's page: its section of the catalogue, then the code that reads like its paper."""
    text = section.replace("](#", "](README.md#")
    return f"# `{name}`\n\n{text}\n{build_sources([ROOT / 'strategies' / f'{name}.py'])}"


def build_sources(paths: list[Path]) -> str:
    """Build a section for each program: its path and its text."""
    sections = [""]
    for path in paths:
        if language := LANGUAGES.get(path.suffix):
            title = path.relative_to(ROOT).as_posix()
            sections.append(f"## {title}\n\n~~~~{language}\n{path.read_text().strip()}\n~~~~\n")
    return "\n".join(sections)


def build_navigation(pages: list[str], strategies: list[str]) -> list[Any]:
    """Build the navigation: every page is in it once."""
    tabs: dict[str, list[str]] = {name: [] for name in ("Strategies", "Clients", "Server", "Measurements", "Project")}
    for path in sorted(pages, key=lambda path: path not in FIRST):
        if path != HOME:
            tabs[choose_tab(path)].append(path)
    tabs["Strategies"] += [f"strategies/{name}.md" for name in strategies]
    return [{"Home": HOME}, *({title: paths} for title, paths in tabs.items() if paths)]


def choose_tab(path: str) -> str:
    """Return the tab of a page."""
    for folder, tab in TABS.items():
        if path.startswith(folder):
            return tab
    return "Server" if "/" in path else "Project"

"""A page as its reader has it: the texts of its tables, parts and tiles."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_EMPTY = {"meta", "link", "br"}


@dataclass
class Page(HTMLParser):
    """The texts of a page, without their markup.

    `tables` has the rows of cells by caption, `sections` all text by id, `tiles` the texts of a
    tile by its title, the last of a title, and `open_tags` is empty where every tag is closed.
    """

    html: str
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)
    tiles: dict[str, list[str]] = field(default_factory=dict)
    headings: list[int] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._ids: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""
        self._tile = ""
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _EMPTY:
            return
        self.open_tags.append(tag)
        if tag == "section":
            self._ids.append(dict(attrs)["id"] or "")
        elif re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        elif tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")
        elif tag == "dt":
            self._tile = ""
        elif tag == "dd":
            self.tiles.setdefault(self._tile, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag, f"</{tag}> closes another tag"
        if tag == "section":
            self._ids.pop()
        elif tag == "table":
            self.tables[self._caption] = self._rows
        elif tag == "dt":
            self.tiles[self._tile] = []

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text or not self.open_tags:
            return
        for each in self._ids:
            self.sections[each] = f"{self.sections.get(each, '')} {text}".strip()
        if "caption" in self.open_tags:
            self._caption += text
        elif {"td", "th"} & set(self.open_tags):
            self._rows[-1][-1] = f"{self._rows[-1][-1]} {text}".strip()
        elif self.open_tags[-1] == "dt":
            self._tile += text
        elif self.open_tags[-1] == "dd":
            self.tiles[self._tile][-1] += text

    def table(self, beginning: str) -> list[list[str]]:
        """Return the rows under the one caption that begins so, the heads first."""
        (rows,) = [rows for caption, rows in self.tables.items() if caption.startswith(beginning)]
        return rows

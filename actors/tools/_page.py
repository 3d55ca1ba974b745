"""A page of HTML as text that a model can read: headings, lists, links, no scripts. Pure.

A reader of its own, because pages come from strangers: its time grows with the length of the page
and with nothing else, and it raises nothing. The standard library's `html.parser` takes 18 s for
40 kB of `<a <a <a`, and raises for `<![`. Where a page is broken, this reads it roughly as browsers
do (WHATWG HTML, section 13.2): what is not closed goes on to the end.
"""

from __future__ import annotations

import html
import re
import urllib.parse
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_TEXT: Final = 200_000  # characters
MAX_LINK: Final = 2_000  # characters of an address that is shown
CHECK_EVERY: Final = 1_000  # tags: a few milliseconds

_TAG: Final = re.compile(r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*+)")
# What ends a tag, or begins a value in which a `>` is only a character.
_STOP: Final = re.compile(r"=\s*+(?P<quote>[\"'])|>")
# Begins only where a name can, and takes nothing back: both keep its time linear.
_ATTRIBUTE: Final = re.compile(
    r"(?<![^\s\"'/])(?P<name>[^\s=>\"'/]++)\s*+=\s*+"
    r"(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\s>]*+))"
)
_SPACE: Final = re.compile(r"\s+")
_HUGE_NUMBER: Final = re.compile(r"&#[0-9]{9,}+;?")  # `unescape` would choke on the longest
_CLOSING: Final = {
    name: re.compile(f"</{name}(?![A-Za-z0-9-])", re.IGNORECASE)
    for name in ("script", "style", "svg", "template", "title", "textarea", "iframe")
}
_LINES_BEFORE: Final = {
    **dict.fromkeys(("br", "dd", "div", "dt", "li", "main", "option", "section", "tr"), 1),
    **dict.fromkeys(("article", "aside", "blockquote", "dl", "fieldset", "figure", "footer"), 2),
    **dict.fromkeys(("form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "nav"), 2),
    **dict.fromkeys(("ol", "p", "pre", "table", "ul"), 2),
}
_MARKS: Final = {
    "li": "- ",
    "dd": "  ",
    "hr": "---",
    **{f"h{n}": "#" * n + " " for n in range(1, 7)},
}
_CELLS: Final = frozenset({"td", "th"})


@attrs.frozen
class Page:
    """What a page says.

    Attributes:
        title: "" where it has none.
        text: Its lines; links as in Markdown.
    """

    title: str
    text: str


def read_page(
    source: str, address: str, *, most: int = MAX_TEXT, check: Callable[[], object] = bool
) -> Page:
    """Read a page.

    Args:
        source: The HTML, whole or cut anywhere.
        address: Where it came from: links are shown as seen from there.
        most: Characters of text after which the rest is left out.
        check: Called now and then; may raise, to stop the reading.
    """
    reader = _Reader(source, address)
    for number, said in enumerate(reader.steps()):
        if said > most:
            break
        if number % CHECK_EVERY == 0:
            check()
    return Page(reader.title, "".join(reader.parts).strip())


class _Reader:
    """Goes through the source once, from tag to tag."""

    def __init__(self, source: str, address: str) -> None:
        self._source = source
        self._address = address
        self._unclosed: set[str] = set()  # elements whose end was looked for in vain
        self._line_ends = 2  # that the text ends with so far; nothing yet is as good as two
        self._size = 0
        self._preformatted = False
        self._link = ""
        self._link_begins = 0  # in `parts`
        self.title = ""
        self.parts: list[str] = []

    def steps(self) -> Iterator[int]:
        """Read from tag to tag; how many characters of text there are by then."""
        source, at = self._source, 0
        while (opening := source.find("<", at)) >= 0:
            self._say(source[at:opening])
            at = self._markup(opening)
            yield self._size
            if at < 0:
                return
        self._say(source[at:])

    def _markup(self, at: int) -> int:
        """Take in what begins with a `<`; where it ends, -1 for the end of the source."""
        source = self._source
        tag = _TAG.match(source, at)
        if tag is not None:
            return self._tag(tag)
        if source.startswith("<!--", at):
            end, length = source.find("-->", at + 4), 3
        elif source.startswith(("<!", "<?", "</"), at):
            end, length = source.find(">", at + 2), 1
        else:
            self._say("<")
            return at + 1
        return end + length if end >= 0 else -1

    def _tag(self, tag: re.Match[str]) -> int:
        end = self._end_of_tag(tag.end())
        if end < 0:
            return -1
        name = tag["name"].lower()
        if tag["close"]:
            self._close(name)
        elif name in _CLOSING and name not in self._unclosed:
            return self._whole(name, end)
        else:
            self._open(name, self._source[tag.end() : end - 1])
        return end

    def _end_of_tag(self, at: int) -> int:
        while (stop := _STOP.search(self._source, at)) is not None:
            if stop["quote"] is None:
                return stop.end()
            at = self._source.find(stop["quote"], stop.end()) + 1
            if at == 0:
                break
        return -1

    def _whole(self, name: str, at: int) -> int:
        """Take in an element in which there are no others for us; all but a title are left out."""
        closing = _CLOSING[name].search(self._source, at)
        if closing is None:
            self._unclosed.add(name)
            return at
        if name == "title" and not self.title:
            self.title = _SPACE.sub(" ", _unescaped(self._source[at : closing.start()])).strip()
        return closing.start()

    def _open(self, name: str, attributes: str) -> None:
        self._break(_LINES_BEFORE.get(name, 0))
        self._put(_MARKS.get(name, ""))
        if name == "pre":
            self._preformatted = True
        elif name == "a":
            self._end_link()
            self._link = self._shown(_attribute(attributes, "href"))
            self._link_begins = len(self.parts)
        elif name == "img" and (described := _attribute(attributes, "alt").strip()):
            self._say(f"[image: {described}]")

    def _close(self, name: str) -> None:
        if name == "a":
            self._end_link()
        elif name in _CELLS:
            self._say(" | ")
        elif name == "pre":
            self._preformatted = False
        if name != "br":
            self._break(_LINES_BEFORE.get(name, 0))

    def _end_link(self) -> None:
        link, self._link = self._link, ""
        said = "".join(self.parts[self._link_begins :])
        if link and said.strip():
            # Blank lines inside would tear the brackets apart.
            self.parts[self._link_begins :] = [f"[{_SPACE.sub(' ', said).strip()}]({link})"]
            self._line_ends = 0

    def _shown(self, href: str) -> str:
        """The address of a link, "" if there is no use in following it."""
        if not href or href.startswith("#") or len(href) > MAX_LINK:
            return ""
        try:
            whole = urllib.parse.urljoin(self._address, href.strip())
        except ValueError:
            return ""
        return whole.replace(" ", "%20") if whole.startswith(("http://", "https://")) else ""

    def _say(self, source: str) -> None:
        if not source:
            return
        text = _unescaped(source)
        if self._preformatted:
            self._put(text)
            return
        text = _SPACE.sub(" ", text)
        if self._line_ends or (self.parts and self.parts[-1].endswith(" ")):
            text = text.lstrip(" ")
        self._put(text)

    def _put(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self._size += len(text)
            self._line_ends = len(text) - len(text.rstrip("\n")) if text.endswith("\n") else 0

    def _break(self, lines: int) -> None:
        """Let so many line ends stand at the end of the text, if there are fewer."""
        if lines > self._line_ends:
            if self.parts and not self._line_ends:
                self.parts[-1] = self.parts[-1].rstrip(" ")
            self.parts.append("\n" * (lines - self._line_ends))
            self._line_ends = lines


def _attribute(source: str, name: str) -> str:
    for found in _ATTRIBUTE.finditer(source):
        if found["name"].lower() == name:
            return _unescaped(found["double"] or found["single"] or found["bare"] or "")
    return ""


def _unescaped(source: str) -> str:
    return html.unescape(_HUGE_NUMBER.sub("\ufffd", source)) if "&" in source else source

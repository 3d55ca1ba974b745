"""HTML as text: what is shown of it, and that no page takes long or breaks the reader."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.tools._page import Page, read_page

ADDRESS = "https://site.test/folder/page"


def text(source: str) -> str:
    return read_page(source, ADDRESS).text


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("plain   text\n here", "plain text here"),
        ("<h1>One</h1><h3>Two</h3>text", "# One\n\n### Two\n\ntext"),
        ("<p>one<p>two<br>three", "one\n\ntwo\nthree"),
        ("<ul><li>one</li><li>two</li></ul>after", "- one\n- two\n\nafter"),
        ("<table><tr><td>a<td>b</td></tr><tr><td>c</td></tr></table>", "ab |\nc |"),
        ("<pre>  a\n    b</pre>  c   d", "a\n    b\n\nc d"),
        ("a <b>bold</b> <i>word</i>.", "a bold word."),
        ('<a href="other">here</a>', "[here](https://site.test/folder/other)"),
        ('<a href="//x.test/a b">here</a>', "[here](https://x.test/a%20b)"),
        ("<a href=/a?b=1&amp;c=2>one\n<br>line</a>", "[one line](https://site.test/a?b=1&c=2)"),
        (
            '<A HREF="/x">A</A><a href="#y">B</a><a href="javascript:z">C</a><a>D</a>',
            "[A](https://site.test/x)BCD",
        ),
        ('<a href="/x"> </a>|<a href="http://[">bad</a>', "|bad"),
        ('<img alt="a cat" src=x><img src=y>', "[image: a cat]"),
        ("&lt;b&gt; &amp;amp; &copy; &#8364; &#x41; &nosuch; &", "<b> &amp; © € A &nosuch; &"),
        ("&#99999999999999999999999;", "\ufffd"),
        ("<script>if (a < b) x('</p>')</script>a<style>p > a {}</style>b<!-- <p> -->c", "abc"),
        ("<svg><text>no</text></svg><template>no</template>yes", "yes"),
        ("<script>never closed", "never closed"),
        ("1 < 2 and 3 > 2 <3", "1 < 2 and 3 > 2 <3"),
        ('<p title="a > b">text</p>', "text"),
        ("before<!-- never closed", "before"),
        ("before<p title='never closed", "before"),
        ("<!DOCTYPE html><?xml?></ nothing><![CDATA[x]]>text", "text"),
        ("", ""),
    ],
)
def test_a_page_reads_like_this(source: str, shown: str) -> None:
    assert text(source) == shown


def test_the_title_is_the_first_one() -> None:
    source = "<title> A\n&amp; B </title><svg><title>no</title></svg><title>C</title>x"

    assert read_page(source, ADDRESS) == Page("A & B", "x")


def test_the_rest_of_a_long_page_is_left_out() -> None:
    page = read_page("<p>12345</p>" * 1_000, ADDRESS, most=100)

    assert 100 <= len(page.text) < 150


def test_reading_can_be_stopped_from_outside() -> None:
    def check() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        read_page("<p>" * 5_000, ADDRESS, check=check)


PIECES = [
    "<", "<!", "<!--", "<![", "<?", "</", "<a", "<a ", "<a x=", "<a x='", '<a x="', "&", "&#",
    "&#9", "<script>", "<script></", "</a ", "<a =", "<a/", "<!--x--!", "<a href=x>", "<a b c d ",
    " ", "<svg>", "<title>", "=", "= '", "<pre>", "<textarea>",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_twice_as_much_of_anything_takes_twice_as_long(piece: str) -> None:
    def seconds(size: int) -> float:
        source = "<a " + piece * (size // len(piece))
        began = time.process_time()
        read_page(source, ADDRESS)
        read_page(source + "'>", ADDRESS)
        return time.process_time() - began

    assert seconds(200_000) < 0.01 + 8 * seconds(50_000)  # 16 times where it is quadratic


@given(st.lists(st.sampled_from([*PIECES, ">", "'", '"', "a", "\n", "p", "</title>", "-->"])))
def test_no_page_breaks_the_reader(pieces: list[str]) -> None:
    text("".join(pieces))


@given(st.text())
def test_text_without_markup_comes_back(source: str) -> None:
    source = source.replace("<", "").replace("&", "")

    assert text(source).split() == source.split()

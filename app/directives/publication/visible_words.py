"""The words that a reader of a page sees: without tags, scripts and what is hidden.

By patterns that read each letter once: the parser of the standard library needs hours for some pages.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator

_RAW = "script|style|noscript|textarea|title|iframe|xmp|noframes|noembed"  # their content has no tags
_TOKEN = re.compile(
    rf"<!--.*?(?:-->|\Z)|<(?P<raw>{_RAW})\b[^<>]*>.*?(?:</(?P=raw)\b[^<>]*>|\Z)|<[!?][^>]*(?:>|\Z)"
    r"|<(?P<end>/?)(?P<tag>[a-z][^\s<>/]*)(?P<attributes>[^<>]*)>",
    re.IGNORECASE | re.DOTALL,
)
_UNSEEN = frozenset(
    {
        *("template", "head", "option", "svg", "math", "object", "audio", "video", "canvas", "datalist"),
        *("del", "s", "strike"),  # struck out: the page takes these words back
    }
)
_INLINE = frozenset(
    {
        *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins"),
        *("kbd", "label", "mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "tt", "u"),
        *("var", "wbr"),
    }
)
_VOID = frozenset(
    {
        *("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track"),
        "wbr",
    }
)
# Ends by itself where such an element, or for a paragraph any block, begins.
_ENDS_BY_ITSELF = frozenset({"p", "li", "dt", "dd", "tr", "td", "th", "option"})
_HIDDEN = re.compile(r"(?:^|\s)hidden(?=[\s=/]|$)", re.IGNORECASE)
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'")
_STYLE = re.compile(r"(?:^|\s)style\s*=\s*(\"[^\"]*\"|'[^']*'|\S+)", re.IGNORECASE)
_HIDING = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)


def visible(body: bytes, said: str = "", plain: bool = False) -> str:
    """Return the text of a page; parts of one line stay together, all else is parted by blanks.

    said: the charset that the server names, or ""; plain: the body is text, not HTML.
    """
    text = _decoded(body, said)
    return text if plain else "".join(_seen(text))


def _decoded(body: bytes, said: str) -> str:
    if body.startswith(codecs.BOM_UTF8):
        return body.decode("utf-8-sig", "replace")
    named = _CHARSET.search(body[:4096])
    for charset in (said, named[1].decode("ascii") if named else ""):
        try:
            if charset and codecs.lookup(charset)._is_text_encoding:
                return body.decode(charset, "replace")
        except (LookupError, UnicodeError):
            continue
    return body.decode("utf-8", "replace")


def _seen(text: str) -> Iterator[str]:
    unseen, depth, at = "", 0, 0  # the element that hides what follows, and how many of its name are open
    for token in _TOKEN.finditer(text):
        yield "" if unseen else html.unescape(text[at : token.start()])
        at = token.end()
        tag = (token["tag"] or "").lower()
        if unseen and not _ends_before(unseen, tag, token["end"]):
            depth += _step(unseen, tag, token["end"])
            unseen = unseen if depth else ""
            continue
        unseen = ""
        yield "" if tag in _INLINE or not tag else " "
        if tag and not token["end"] and tag not in _VOID and _hides(tag, token["attributes"]):
            unseen, depth = tag, 1
    yield "" if unseen else html.unescape(text[at:])


def _step(unseen: str, tag: str, end: str) -> int:
    return 0 if tag != unseen else -1 if end else 1


def _ends_before(unseen: str, tag: str, end: str | None) -> bool:
    """Return whether this tag ends a hidden element that has no tag of its own to end it."""
    if not tag or end:
        return False
    if unseen == "p":
        return tag not in _INLINE and tag not in _VOID
    return unseen in _ENDS_BY_ITSELF and tag == unseen


def _hides(tag: str, attributes: str) -> bool:
    if tag in _UNSEEN or _HIDDEN.search(_VALUE.sub("''", attributes)):
        return True
    style = _STYLE.search(attributes)
    return bool(style and _HIDING.search(html.unescape(style[1])))

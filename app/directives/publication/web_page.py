"""The kit's page to publish: one HTML file without scripts, pictures, styles or fonts from anywhere else."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from app.directives.publication import form_words as words
from app.directives.publication.kit_source import KitSource
from app.directives.publication.plain_texts import day, title


def page(of: KitSource) -> str:
    """Return the file; its `article` alone can be put into another page too."""
    others = [(code, text) for code, text in of.sent.items() if code]
    link = escape(of.verify)
    check = f'<p>{escape(words.VERIFY)} <a href="{link}" rel="noopener">{link}</a></p>\n' if link else ""
    return _template().substitute(
        title=escape(title(of)),
        agency=escape(of.head.name),
        texts="\n".join(_text(code, text) for code, text in (("", of.original), *others)),
        check=check,
        source=escape(words.SOURCE),
        approved=escape(words.APPROVED),
        day=day(of.approved_at),
        digest_name=escape(words.DIGEST),
        digest=of.digest,
    )


@cache
def _template() -> Template:
    return Template((files("app") / "data" / "published_page.html").read_text("utf-8"))


def _text(code: str, text: str) -> str:
    lang = f' lang="{escape(code)}"' if code else ""
    said = "<br>\n".join(escape(line) for line in text.splitlines())
    return f'<p{lang} style="font-size:1.15rem">{said}</p>'

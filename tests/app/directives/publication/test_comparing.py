"""What a reader of a page sees, and which words of it are not the approved ones."""

from __future__ import annotations

import time

import pytest

from app.directives.publication.comparing import compare
from app.directives.publication.visible_words import visible
from app.reports.figures.publications import PublicationState, PublishedDifference

TEXT = "Công an tỉnh cảnh báo: KHÔNG chuyển tiền, không đọc mã OTP cho người lạ. Báo công an: 113."
AROUND = "<p>Trang chủ. Tin mới: 12 bài.</p>{}<footer>Liên hệ 0912 345 678</footer>"


def seen(html: str | bytes, charset: str = "") -> str:
    return " ".join(visible(html if isinstance(html, bytes) else html.encode(), charset).split())


def judged(html: str, *forms: str) -> tuple[PublicationState, list[tuple[str, str]]]:
    state, differences = compare(seen(html), forms or (TEXT,))
    return state, [(each.approved, each.found) for each in differences]


@pytest.mark.parametrize(
    "inside",
    [
        f"<p>{TEXT}</p>",
        f"<div>{TEXT.replace('KHÔNG', '<b>KH</b>ÔNG')}</div>",
        f"<p>{TEXT.replace(' ', '&nbsp; ')}</p>",
        f"<p>{TEXT.replace('tiền, ', 'tiền,<br>')}</p>",
        f"<script>var x = '</p>';</script><p hidden>cũ<p>{TEXT}",
        f"<p>{TEXT.replace('ô', 'o' + chr(0x302)).replace('ề', 'ê' + chr(0x300))}</p>",
        f"<ul><li style='display:none'>x<li>{TEXT}</ul>",
        f"<p>Sai: {TEXT.replace('113', '114')}</p><p>{TEXT}</p>",
        f"<div><!-- {TEXT} --><p>{TEXT.upper()}</p></div>",
        f"<p>“{TEXT}”</p>",
    ],
)
def test_the_text_is_found_however_it_is_set(inside: str) -> None:
    assert judged(AROUND.format(inside)) == (PublicationState.PUBLISHED, [])


@pytest.mark.longer
@pytest.mark.parametrize("struck", ["del", "s", "strike"])
def test_words_that_the_page_takes_back_are_not_said(struck: str) -> None:
    state, differences = judged(f"<p>{TEXT.replace('KHÔNG', f'<{struck}>KHÔNG</{struck}>')}</p>")
    assert (state, differences) == (PublicationState.CHANGED, [("KHÔNG", "")])


@pytest.mark.parametrize(
    "hiding",
    [
        "<script>{}</script>",
        "<template><p>{}</p></template>",
        "<div hidden><p>{}</p></div>",
        "<div style='color:red; display: none'><div>{}</div></div>",
        "<!-- {} -->",
        "<img alt='{}'>",
        "<title>{}</title>",
        "<noscript>{}</noscript>",
        "<p style='font-size:0'>{}</p>",
        "<meta name=description content='{}'>",
    ],
)
def test_what_nobody_sees_is_not_published(hiding: str) -> None:
    assert judged(AROUND.format(hiding.format(TEXT)))[0] is PublicationState.GONE


@pytest.mark.parametrize(
    ("was", "now", "differences"),
    [
        ("chuyển", "nhận", [("chuyển", "nhận")]),
        ("cảnh", "canh", [("cảnh", "canh")]),  # a missing diacritic
        ("Công an tỉnh", "Cong an tỉnh", [("Công", "Cong")]),  # of the first word
        ("113", "114", [("113", "***")]),  # of the last; a number that was read is not kept
        ("113", "0912345678", [("113", "*" * 10)]),
        ("KHÔNG ", "", [("KHÔNG", "")]),
        ("người lạ", "người lạ gọi đến", [("", "gọi đến")]),
        ("mã OTP", "mã 0TP", [("OTP", "*TP")]),
        ("đọc", "doc", [("đọc", "doc")]),
    ],
)
def test_a_changed_word_is_named(was: str, now: str, differences: list[tuple[str, str]]) -> None:
    assert judged(AROUND.format(f"<p>{TEXT.replace(was, now)}</p>")) == (
        PublicationState.CHANGED,
        differences,
    )


def test_two_changes_are_two() -> None:
    wrong = TEXT.replace("tiền", "tien").replace("lạ", "la")
    state, found = judged(f"<p>{wrong}</p>")
    assert (state, found) == (PublicationState.CHANGED, [("tiền", "tien"), ("lạ", "la")])


@pytest.mark.parametrize(
    "page", ["", "<p>Trang không tồn tại.</p>", "<p>Công an tỉnh tuyển dụng.</p>", "\x00"]
)
def test_another_page_is_no_changed_text(page: str) -> None:
    assert judged(page) == (PublicationState.GONE, [])


def test_the_form_that_is_nearest_counts() -> None:
    from carriers.text import unaccent

    plain = unaccent(TEXT)
    assert judged(f"<p>{plain}</p>", TEXT, plain) == (PublicationState.PUBLISHED, [])
    assert judged(f"<p>{plain.replace('113', 'ai')}</p>", TEXT, plain)[1] == [("113", "ai")]
    assert judged(f"<p>{TEXT.replace('lạ', 'la')}</p>", TEXT, plain)[1] == [("lạ", "la")]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "windows-1258", "x-unknown", "base64", ""])
def test_letters_are_read_by_the_charset_that_is_named(charset: str) -> None:
    known = charset if charset in ("utf-8", "utf-16") else "utf-8"
    assert TEXT in seen(f"<p>{TEXT}</p>".encode(known), charset if known == charset else "")
    assert isinstance(seen(f"<p>{TEXT}</p>".encode(), charset), str)
    assert TEXT in seen(f'<meta charset="utf-8"><p>{TEXT}</p>'.encode(), "x-unknown")


@pytest.mark.longer
def test_a_page_as_deep_or_long_as_it_likes_is_read() -> None:
    assert judged("<div>" * 20_000 + f"<p>{TEXT}</p>")[0] is PublicationState.PUBLISHED
    assert judged("<p>một hai ba </p>" * 3_000 + f"<p>{TEXT}</p>")[0] is PublicationState.PUBLISHED


@pytest.mark.longer
@pytest.mark.parametrize(
    "piece",
    ["<!--", "<![", "<a ", "<a b='", '<a "', "<script", "<script>", "</", "<p hidden>", "<?", "&#", "<"],
)
def test_no_page_takes_long(piece: str) -> None:
    """Each letter is read once; a parser that begins again at each tag needs hours for these."""

    def cost(size: int) -> float:
        begin = time.process_time()
        seen(piece * (size // len(piece)) + ">")
        return time.process_time() - begin

    assert cost(500_000) < 100 * (cost(50_000) + 0.01)  # a second look at each letter would be 100 times


def test_strange_marks_hide_nothing_else() -> None:
    assert (
        judged(f"<![foo[x]]><p class='a hidden b' data-x=hidden>{TEXT}</p>")[0] is PublicationState.PUBLISHED
    )
    assert judged(f"<script>a='<!--'</script><p>{TEXT}</p>")[0] is PublicationState.PUBLISHED
    assert judged(f"<p>a < b</p><p>{TEXT}</p><!-- <script> -->")[0] is PublicationState.PUBLISHED


def test_differences_have_an_end() -> None:
    _, found = compare("công an tỉnh " * 50, [" ".join(f"công an {n}" for n in range(200))])
    assert len(found) <= 30
    assert all(isinstance(each, PublishedDifference) for each in found)

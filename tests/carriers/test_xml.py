"""XML: what is written reads back as it was, and what attacks a reader is refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.xml import (
    Markup,
    XmlError,
    child,
    child_text,
    children,
    document,
    find,
    local_name,
    read_xml,
    write,
)
from tests.exact import exactly

LAUGHS = (
    b'<!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><l>&j;</l>"
)
# Everything that XML 1.0 can carry; a line end is read as LF, which the writer has to prevent.
carried = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r")
)


@pytest.mark.longer
@given(carried, carried)
def test_texts_and_attributes_come_back_as_they_were(text: str, value: str) -> None:
    root = read_xml(document(write("a", text, attributes={"b": value})))
    assert (root.text or "", root.get("b")) == (text, value)


def test_text_never_becomes_an_element_and_markup_is_kept() -> None:
    inner = write("b", "1 < 2 && ]]> </a><x/>")
    root = read_xml(document(write("a", inner, "<c/>")))
    assert [local_name(each) for each in root] == ["b"]
    assert child_text(root, "b") == "1 < 2 && ]]> </a><x/>"
    assert root[0].tail == "<c/>"
    assert isinstance(inner, Markup)


@pytest.mark.parametrize("odd", ["\x00", "\x0b", "\x1f", "\ud83d", "\ufffe", "\uffff"], ids=ascii)
def test_a_character_that_xml_cannot_carry_is_named_with_its_place(odd: str) -> None:
    with pytest.raises(XmlError, match=rf"Character 3, U\+{ord(odd):04X}, is not allowed in XML"):
        write("a", "ab" + odd)


@pytest.mark.parametrize("name", ["", "a b", "1a", "a>", "<a"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(XmlError, match=exactly(f"{name!r} is not a valid element name.")):
        write(name, "text")


@pytest.mark.parametrize(
    "attack",
    [
        LAUGHS,
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/evil.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/"> %x;]><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"<!DOCTYPE a><a/>",
    ],
    ids=["billion laughs", "external type", "external entity", "parameter entity", "entity", "bare type"],
)
def test_document_types_and_entities_are_refused_at_once(attack: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(XmlError, match=exactly("The XML was rejected: a document type.")):
        read_xml(attack)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"   ",
        b"{}",
        b"<a>",
        b"<a></b>",
        b"<a>&x;</a>",
        b"\xff\x00<a/>",
        b"<a>\xc3</a>",
        b"<html><br></html>",
    ],
)
def test_what_is_no_xml_is_an_error_in_words(noise: bytes) -> None:
    with pytest.raises(XmlError, match=r"^The data is not valid XML: line 1, column \d+\.$"):
        read_xml(noise)


@pytest.mark.parametrize("encoding", ["martian", "utf-7", "shift_jis"])
def test_an_encoding_that_cannot_be_read_is_an_error_in_words(encoding: str) -> None:
    with pytest.raises(XmlError, match=exactly("The XML was rejected: an unreadable encoding.")):
        read_xml(f'<?xml version="1.0" encoding="{encoding}"?><a>+AGE-</a>'.encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_an_answer_in_another_encoding_is_read(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a>\u00e9</a>'
    assert read_xml(text.encode(encoding)).text == "\u00e9"


@pytest.mark.longer
def test_a_very_deep_answer_is_read_without_harm() -> None:
    root = read_xml(b"<a>" * 100_000 + b"</a>" * 100_000)
    assert find(root, "b") is None


def test_elements_are_found_by_their_names_whatever_the_namespace() -> None:
    root = read_xml(b'<S:a xmlns:S="urn:s"><b xmlns="urn:b"> 1 </b><S:b>2</S:b><c><d>3</d></c><b/></S:a>')
    assert [each.text for each in children(root, "b")] == [" 1 ", "2", None]
    assert child_text(root, "b") == "1"
    assert child_text(root, "x") == ""
    assert child(root, "d") is None
    found = find(root, "d")
    assert found is not None
    assert found.text == "3"

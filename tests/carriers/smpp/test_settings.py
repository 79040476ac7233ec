"""A link's settings: sentences that name the link, the setting and the remedy, never the value."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from carriers.contract import LinkError, LinkOptions, Reason, ReceiptLevel
from carriers.options import content_options
from carriers.smpp.carrier import SmppCarrier
from carriers.smpp.settings import SmppSettings, read_settings
from tests.exact import exactly

BASE: dict[str, object] = {"host": "10.0.0.1", "port": 2775, "system_id": "loa", "password": "s3cr3t"}


def read(**options: object) -> SmppSettings:
    return read_settings(LinkOptions("vnpt-1", "vnpt", 100, {**BASE, **options}))


def test_four_settings_are_enough_and_the_defaults_are_those_of_the_specification() -> None:
    own = read()
    assert (own.bind, own.binds, own.window, own.tls) == ("transceiver", 1, 10, False)
    assert (own.source_ton, own.source_npi, own.dest_ton, own.dest_npi) == (5, 0, 1, 1)
    assert (own.long_text, own.ucs2, own.gsm_data_coding, own.id_mode) == ("udh", True, 0, "same")
    # A silent bind is said after these two, and the page hears of it: well within half a minute.
    assert own.enquire_link_s + own.response_timeout_s / 3 < own.response_timeout_s * 4 / 3 <= 20
    assert (own.enquire_link_s, own.response_timeout_s, own.receipt_level) == (10, 15, ReceiptLevel.OPERATOR)


def test_values_of_environment_variables_are_read_from_text() -> None:
    own = read(port="2776", window="100", ucs2="False", tls="true", enquire_link_s="7.5", password=12345678)
    assert (own.port, own.window, own.ucs2, own.tls, own.enquire_link_s) == (2776, 100, False, True, 7.5)
    assert own.password == "12345678"


def test_levels_zones_and_reasons_become_values() -> None:
    own = read(receipt_level="none", receipt_zone="-01:30", reasons={"0E1": "barred", "000": "other"})
    assert own.receipt_level is ReceiptLevel.NONE
    assert own.receipt_zone.utcoffset(None) == timedelta(hours=-1, minutes=-30)
    assert own.reasons == {"e1": Reason.BARRED, "0": Reason.OTHER}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"port": 0}, "port must be a whole number from 1 to 65535"),
        ({"port": "x"}, "port must be a whole number from 1 to 65535"),
        ({"port": True}, "port must be a whole number from 1 to 65535"),
        ({"window": 1001}, "window must be a whole number from 1 to 1000"),
        ({"host": ""}, "host must be plain text of 1 to 255 characters"),
        ({"host": None}, "host must be plain text of 1 to 255 characters"),
        ({"password": "mật khẩu"}, "password must be plain text of 0 to 64 characters"),
        ({"ucs2": "perhaps"}, "ucs2 must be true or false"),
        ({"tls": 7}, "tls must be true, false or the path of a CA file"),
        ({"tls": ""}, "tls must be true, false or the path of a CA file"),
        ({"bind": "both"}, "bind must be one of: transceiver, transmitter_receiver"),
        ({"long_text": "sms"}, "long_text must be one of: udh, sar, udh+sar, payload"),
        ({"id_mode": "auto"}, "id_mode can't be 'auto': an id of digits only"),
        ({"id_mode": "hex"}, "id_mode must be one of: same, hex_dec, dec_hex"),
        ({"receipt_level": "phone"}, "receipt_level must be one of: handset, operator, none"),
        ({"receipt_zone": "ICT"}, "receipt_zone must be an offset such as +07:00"),
        ({"enquire_link_s": -1}, "enquire_link_s must be a number of seconds from 0.05 to 3600"),
        ({"reasons": "x"}, "reasons must be a table of error codes with words out of: none, other"),
        ({"reasons": {"1": "gone"}}, "reasons must be a table of error codes with words out of: none, other"),
        ({"reconnect_min_s": 9}, "reconnect_min_s must not be above reconnect_max_s"),
        ({"pasword": "s3cr3t"}, "an SMPP link has no setting pasword. Did you mean password?"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(LinkError) as caught:
        read(**options)
    assert str(caught.value).startswith(f"Link vnpt-1: {sentence}")
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("name", BASE)
def test_a_missing_setting_is_named(name: str) -> None:
    options = {key: value for key, value in BASE.items() if key != name}
    with pytest.raises(LinkError, match=f"Link vnpt-1: {name} is missing"):
        read_settings(LinkOptions("vnpt-1", "vnpt", 100, options))


def test_a_ca_file_that_is_not_there_is_named_when_the_link_is_built() -> None:
    with pytest.raises(
        LinkError,
        match=exactly(
            "Link vnpt-1: tls names a CA file that cannot be used (the file does not exist); It "
            "must be a readable file with certificates in PEM."
        ),
    ):
        SmppCarrier(LinkOptions("vnpt-1", "vnpt", 100, {**BASE, "tls": "no/such/file.pem"}))


def test_the_password_does_not_show_when_settings_are_printed() -> None:
    assert "s3cr3t" not in repr(read())


@pytest.mark.parametrize(
    ("option", "least", "most"),
    [
        ("port", 1, 65535),
        ("addr_ton", 0, 255),
        ("addr_npi", 0, 255),
        ("binds", 1, 16),
        ("window", 1, 1000),
        ("enquire_link_s", 0.05, 3600),
        ("response_timeout_s", 0.05, 600),
        ("reconnect_min_s", 0.01, 8),
        ("reconnect_max_s", 1, 600),
        ("probe_max_s", 0.01, 3600),
        ("source_ton", 0, 255),
        ("source_npi", 0, 255),
        ("dest_ton", 0, 255),
        ("dest_npi", 0, 255),
        ("gsm_data_coding", 0, 255),
        ("max_segments", 1, 255),
        ("part_retries", 0, 20),
        ("queries_per_second", 0.01, 1000),
        ("part_retry_s", 0.001, 60),
        ("strange_in_a_row", 1, 1_000_000),
    ],
)
def test_a_number_is_taken_from_its_least_to_its_most(option: str, least: float, most: float) -> None:
    assert getattr(read(**{option: least}), option) == least
    assert getattr(read(**{option: most}), option) == most
    below = least - 1 if isinstance(least, int) else least / 2
    for beyond in (below, most + 1):
        with pytest.raises(LinkError, match=r"must (be|not)"):
            read(**{option: beyond})


def test_a_reconnection_waits_from_a_hundredth_of_a_second_to_ten_minutes() -> None:
    assert read(reconnect_min_s=600, reconnect_max_s=600).reconnect_min_s == 600
    assert read(reconnect_min_s=0.01, reconnect_max_s=0.01).reconnect_max_s == 0.01
    for bounds in ((601, 601), (0.005, 0.005)):
        with pytest.raises(LinkError, match="reconnect_m"):
            read(reconnect_min_s=bounds[0], reconnect_max_s=bounds[1])


def test_an_approval_covers_the_settings_that_change_what_is_sent_or_as_whom() -> None:
    given = {each.name: 1 for each in fields(SmppSettings)}
    own = {"source_ton", "source_npi", "service_type", "ucs2", "gsm_data_coding", "gsm_alphabet", "tlvs"}
    assert content_options(SmppSettings, given).keys() == own


def test_what_is_not_named_has_its_default() -> None:
    own = read()
    assert (own.addr_ton, own.addr_npi, own.system_type, own.address_range) == (0, 0, "", "")
    assert (own.reconnect_min_s, own.reconnect_max_s, own.probe_max_s) == (1.0, 8.0, 60.0)
    assert (own.max_segments, own.part_retries, own.part_retry_s) == (10, 5, 0.5)
    assert (own.queries_per_second, own.service_type, own.validity) == (5.0, "", "none")


@pytest.mark.parametrize(
    ("option", "most"),
    [
        ("host", 255),
        ("system_id", 64),
        ("password", 64),
        ("system_type", 64),
        ("address_range", 64),
        ("service_type", 5),
    ],
)
def test_a_word_has_its_length(option: str, most: int) -> None:
    assert getattr(read(**{option: "a" * most}), option) == "a" * most
    with pytest.raises(LinkError, match=f"{option} must be plain text of"):
        read(**{option: "a" * (most + 1)})

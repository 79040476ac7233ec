"""A link's settings: sentences that name the link, the setting and the remedy, never the value."""

from __future__ import annotations

from datetime import timedelta

import pytest

from carriers.contract import LinkError, LinkOptions, Reason, ReceiptLevel
from carriers.smpp.carrier import SmppCarrier
from carriers.smpp.settings import SmppSettings, read_settings

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
    assert (own.enquire_link_s, own.response_timeout_s, own.receipt_level) == (10, 15, ReceiptLevel.HANDSET)


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
        ({"pasword": "s3cr3t"}, "an SMPP link has no setting pasword; it knows: host, port, system_id"),
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
    with pytest.raises(LinkError, match="tls names a CA file that can't be used"):
        SmppCarrier(LinkOptions("vnpt-1", "vnpt", 100, {**BASE, "tls": "no/such/file.pem"}))


def test_the_password_does_not_show_when_settings_are_printed() -> None:
    assert "s3cr3t" not in repr(read())

"""Texts for property tests: Vietnamese in both normal forms, GSM-7, and whatever Unicode allows."""

import unicodedata

from hypothesis import strategies as st

TONES = ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
BARE = [unicodedata.normalize("NFC", v + t) for v in "aăâeêioôơuưy" for t in TONES]
LETTERS = [c for c in [*BARE, "đ", *(b.upper() for b in BARE), "Đ"] if not c.isascii()]

GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = "\f^{}\\[~]|€"

gsm = st.text(st.sampled_from(GSM_BASIC + GSM_EXTENSION * 4), max_size=700)
vietnamese = st.text(st.sampled_from("".join(LETTERS) + " bcdghklmnpqrstvx.,0123456789"), max_size=400)
decomposed = vietnamese.map(lambda text: unicodedata.normalize("NFD", text))
emoji = st.text(st.sampled_from("🚨👮🏽\u200d♂\ufe0fạa "), max_size=200)
anything = st.one_of(gsm, vietnamese, decomposed, emoji, st.text(max_size=300))

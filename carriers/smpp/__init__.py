"""SMPP 3.4 as ESME: codec (pdu), receipts (receipt), one bind (session), the link (carrier)."""

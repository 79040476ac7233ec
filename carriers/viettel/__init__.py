"""Viettel's bulk SMS web service (CcApi, SOAP 1.1)."""

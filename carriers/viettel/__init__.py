"""Viettel's bulk SMS web service (CcApi, SOAP 1.1): the link is in `carrier`, its messages in `words`."""

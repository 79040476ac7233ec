"""A prototype that is measured and not shipped: deliveries as packed journals instead of rows.

Messages of one part, of one campaign, by one process: enough to know what it would give and cost
(docs/decisions/093-packed-journals.md).
"""

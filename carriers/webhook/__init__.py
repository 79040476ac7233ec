"""Receipts by webhook for any carrier; credentials and field mapping are configuration."""

from __future__ import annotations

from carriers.webhook.authentication import WebhookCredentials
from carriers.webhook.field_mapping import FieldMapping, shape_of
from carriers.webhook.head import MappedWebhook
from carriers.webhook.presets import PRESETS

__all__ = ["PRESETS", "FieldMapping", "MappedWebhook", "WebhookCredentials", "shape_of"]

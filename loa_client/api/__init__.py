"""Every operation of the API, by its name in openapi.json."""

from loa_client.api.access import AccessOperations
from loa_client.api.audit import AuditOperations
from loa_client.api.batches import BatchesOperations
from loa_client.api.campaigns import CampaignsOperations
from loa_client.api.deadline import DeadlineOperations
from loa_client.api.directives import DirectivesOperations
from loa_client.api.dispatch import DispatchOperations
from loa_client.api.events import EventsOperations
from loa_client.api.health import HealthOperations
from loa_client.api.inbound_messages import InboundMessagesOperations
from loa_client.api.privacy import PrivacyOperations
from loa_client.api.publication import PublicationOperations
from loa_client.api.receipt_files import ReceiptFilesOperations
from loa_client.api.reports import ReportsOperations
from loa_client.api.runs import RunsOperations
from loa_client.api.sender_names import SenderNamesOperations
from loa_client.api.signatures import SignaturesOperations
from loa_client.api.stated_figures import StatedFiguresOperations
from loa_client.api.telephone_panel import TelephonePanelOperations
from loa_client.api.texts import TextsOperations
from loa_client.api.verify import VerifyOperations


class Operations(
    HealthOperations,
    AuditOperations,
    BatchesOperations,
    DirectivesOperations,
    TextsOperations,
    CampaignsOperations,
    RunsOperations,
    EventsOperations,
    DispatchOperations,
    ReportsOperations,
    StatedFiguresOperations,
    VerifyOperations,
    DeadlineOperations,
    PublicationOperations,
    PrivacyOperations,
    ReceiptFilesOperations,
    InboundMessagesOperations,
    AccessOperations,
    SenderNamesOperations,
    SignaturesOperations,
    TelephonePanelOperations,
):
    """All operations; a client adds how they are carried out."""

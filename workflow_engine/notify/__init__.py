"""Notifications: questions and failures, sent by signed webhooks and to whatever Apprise knows, until they arrived.

>>> from workflow_engine.notify import Webhook, new_secret
>>> Webhook("ops", "https://ops.example.org/hook?token=1234", secret=new_secret())
Webhook('ops', https://ops.example.org/•••)
"""

from __future__ import annotations

from workflow_engine.notify.channel import Filter
from workflow_engine.notify.courier import Courier
from workflow_engine.notify.services import Services
from workflow_engine.notify.signing import new_secret, sign, verify
from workflow_engine.notify.webhook import Webhook
from workflow_engine.ports.channels import Channel, Message, Undelivered

__all__ = [
    "Channel",
    "Courier",
    "Filter",
    "Message",
    "Services",
    "Undelivered",
    "Webhook",
    "new_secret",
    "sign",
    "verify",
]

"""What Prefect's server does by itself for a night: calls dead runs dead, and tells somebody.

The set is a function of the settings: `a2r up` twice leaves the same automations, those that are not
wanted any more go, and one that was switched off in the UI stays off.
"""

import os
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import CallWebhook, ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from pydantic import SecretStr

WEBHOOK_VARIABLE = "A2R_WEBHOOK_URL"
SILENCE_SECONDS = 180
"""A run is called dead after this long without a heartbeat."""

_PREFIX = "a2r: "
_BLOCK = "a2r-webhook"
_ENDS = frozenset(f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed"))

_NIGHT = """{"event": {{ event.event | tojson }},
 "night": {{ event.resource["a2r.night"] | tojson }},
 "flow_run": {{ event.payload.flow_run | tojson }},
 "text": {{ ("A2R, night of " ~ event.resource["a2r.night"] ~ ": " ~ event.event ~ "\\n" ~ event.payload.message) | tojson }}}"""

_CRASH = """{"event": {{ event.event | tojson }},
 "night": null,
 "flow_run": {{ event.resource.id | replace("prefect.flow-run.", "") | tojson }},
 "text": {{ ("A2R: the run " ~ event.resource.name ~ " crashed. What it stored stays; press Retry on its page.") | tojson }}}"""


def automations(webhook: UUID | None) -> list[AutomationCore]:
    """The wanted automations; those that tell somebody only with a webhook to tell."""
    dead = EventTrigger(
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.heartbeat", *_ENDS},
        match={"prefect.resource.id": ["prefect.flow-run.*"]},  # pyright: ignore[reportArgumentType]
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=SILENCE_SECONDS),
    )
    crash = ChangeFlowRunState(
        name=None,
        force=False,
        state=StateType.CRASHED,
        message=f"No heartbeat for {SILENCE_SECONDS} s: its process is gone. What it stored stays; press Retry.",
    )
    wanted = [
        AutomationCore(
            name=f"{_PREFIX}runs without a heartbeat are crashed",
            description="So that they can be retried: a run whose process is gone would stay Running forever.",
            trigger=dead,
            actions=[crash],
        )
    ]
    if webhook is None:
        return wanted
    told = {
        "a night failed": (["a2r.nightly.failed"], {}, _NIGHT),
        "a metric fell": (["a2r.nightly.regression"], {}, _NIGHT),
        "a run crashed": (["prefect.flow-run.Crashed"], {"prefect.resource.id": "prefect.tag.a2r"}, _CRASH),
    }
    wanted += [
        AutomationCore(
            name=f"{_PREFIX}{what}, call the webhook",
            description=f"The address came from {WEBHOOK_VARIABLE} and lies in the block {_BLOCK}.",
            trigger=EventTrigger(
                expect=set(events),
                match_related=related,  # pyright: ignore[reportArgumentType]
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[CallWebhook(block_document_id=webhook, payload=payload)],
        )
        for what, (events, related, payload) in told.items()
    ]
    return wanted


def keep_automations(client: SyncPrefectClient, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Make the server's automations of ours what they should be; return their names."""
    wanted = automations(_webhook(environment.get(WEBHOOK_VARIABLE)))
    found = {a.name: a for a in client.read_automations(limit=200) if a.name.startswith(_PREFIX)}
    for automation in wanted:
        if (before := found.pop(automation.name, None)) is None:
            client.create_automation(automation)
        else:
            client.update_automation(before.id, automation.model_copy(update={"enabled": before.enabled}))
    for unwanted in found.values():
        client.delete_automation(unwanted.id)
    return [automation.name for automation in wanted]


def _webhook(url: str | None) -> UUID | None:
    """The block that holds the address; Prefect keeps it encrypted and shows it to nobody."""
    if not url:
        return None
    saved = Webhook(method="POST", url=SecretStr(url)).save(_BLOCK, overwrite=True)
    return UUID(str(saved))

"""What makes a repeated request the same one: its idempotency key, and what it asks for."""

import json
from dataclasses import asdict
from typing import Any

from components.engine.creation.drafts import DEFAULTS, DeployRequest
from components.engine.queue.reservation import IdempotencyKey


def idempotency_key(
    key: str | None, operation: str, options: DeployRequest
) -> IdempotencyKey | None:
    """Return the key of a request to carry out an operation; None if the client gave none."""
    if key is None:
        return None
    # Without defaults: an option that a later version adds must not make it another request.
    defaults = asdict(DEFAULTS)
    asked: dict[str, Any] = {
        "what": operation,
        **{name: value for name, value in asdict(options).items() if value != defaults[name]},
    }
    return IdempotencyKey.of(key, json.dumps(asked, sort_keys=True))

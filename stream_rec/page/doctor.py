"""What the doctor says, for the page: it loads much, so it is asked in a process of its own."""

from __future__ import annotations

from typing import Any

from stream_rec.serve.engine_process import Question
from stream_rec.settings import Settings


def findings(settings: Settings, _: Question) -> Any:
    """Findings of the doctor, with their areas."""
    from stream_rec.doctor import examine
    from stream_rec.settings.masking import hidden

    return [
        {"area": area, "status": each.status, "what": hidden(each.what), "fix": hidden(each.fix)}
        for area, each in examine(settings)
    ]

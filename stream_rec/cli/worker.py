"""`worker`: learn, recommend, write, measure."""

from __future__ import annotations

from stream_rec.cli.options import ConfigFile, Overrides, need_broker, need_store, read_settings


def worker(config: ConfigFile = None, set_: Overrides = None) -> None:
    """Learn from the events and write slates, until SIGTERM or Ctrl-C: then finish, commit, and leave within 5 s."""
    settings = read_settings(config, set_)
    need_broker(settings)
    need_store(settings)
    from stream_rec.consumers.runtime.stop_signal import leave
    from stream_rec.consumers.worker import run

    leave(run(settings))

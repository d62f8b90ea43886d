"""`bridge`: topics of others into ours."""

from __future__ import annotations

from stream_rec.cli.options import ConfigFile, Overrides, need_broker, read_settings


def bridge(config: ConfigFile = None, set_: Overrides = None) -> None:
    """Read foreign topics, map them by their shapes and publish to ours, until SIGTERM or Ctrl-C (docs/bridge.md).

    Topics are named in the settings' `bridge.inputs`. Several bridges share their partitions.
    """
    settings = read_settings(config, set_)
    need_broker(settings)
    from stream_rec.consumers.bridge.process import run
    from stream_rec.consumers.runtime.stop_signal import leave

    run(settings)
    leave()

"""The bridge: reads topics of others, maps each message by a shape, and publishes to ours (docs/bridge.md)."""

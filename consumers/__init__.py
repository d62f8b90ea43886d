"""Programs that consume: the Faust app and its agents. Thin: decode, call, emit."""

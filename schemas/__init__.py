"""The contract on the wire: records, topics, codec, JSON Schemas."""

"""Kafka: batch transport, embedded broker, topics, offsets and lag."""

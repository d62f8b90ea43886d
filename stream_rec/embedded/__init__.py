"""Servers as child processes: the embedded broker, Apache Kafka, Redis, a worker."""

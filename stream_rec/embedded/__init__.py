"""Servers as child processes of ours: the embedded broker, Apache Kafka, Redis, a worker."""

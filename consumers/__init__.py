"""The worker: Kafka -> engine -> Redis. Read topology.py first, then pipeline.py."""

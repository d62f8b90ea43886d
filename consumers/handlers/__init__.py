"""What is done with the records of a topic: decode, learn, write, measure. Knows neither Faust nor Kafka."""

"""What a worker does from time to time, beside its batches."""

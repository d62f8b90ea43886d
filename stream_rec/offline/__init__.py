"""Work on logs without a broker: data sets and evaluation."""

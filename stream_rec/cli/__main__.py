"""`python -m stream_rec.cli`."""

from stream_rec.cli.main import main

main()

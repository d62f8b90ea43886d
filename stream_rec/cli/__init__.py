"""The commands of `stream-rec`, one group a file. Each is thin: read settings, call one thing, print.

Everything heavy is imported inside the command, so that `stream-rec --help` answers at once.
"""

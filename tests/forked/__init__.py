"""Processes of `stream-rec` that start at once: copies of one that has imported everything and loaded the kernels.

A start takes 0.5 to 3 s of processor time, nearly all of it imports and kernels, the same a few hundred times in a
run of the tests. Here a start is a fork of a process that has done that and nothing else (`original.py`). Command
line, environment, folder, streams, signals and exit code are its own, as those of any process.

What a fork cannot show is shown by starts that are not forks: the first of each command in a run of the tests, and
whoever asks for one (`fresh`), such as tests of the start itself, and of figures that two processes must agree in
(forks have one seed of hashes).
"""

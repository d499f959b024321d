"""Our join beside the joins of data frames: `python3 -m bench.join`."""

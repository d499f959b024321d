"""Measures the inference engine beside its peers: `python3 -m bench --help`, `make bench`."""

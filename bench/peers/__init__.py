"""The peers, each in a file of its own with the same two functions.

`convert(folder)`                   makes what the peer reads from the PyTorch model in `folder`, once;
                                    absent where the peer reads that model itself
`load(folder, precision, threads)`  a function from texts to logits, a float32 array [texts, labels]

These run in the benchmark's own virtual environment (bench/requirements.txt).
"""

# How long a batch may wait is a guess until a round trip is measured.
nodes 4
within 1700
0 broadcast n1 11
200 broadcast n3 12

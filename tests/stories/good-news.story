# The hub is cut off. The first leaf that answers is good news for the others.
nodes 4
0 broadcast n1 11
0 broadcast n2 12
0 broadcast n3 13
2500 cut n0
2600 broadcast n0 14
2700 broadcast n3 15
5500 heal

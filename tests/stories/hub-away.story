# The hub stops. A leaf with news finds a stand-in, and all leaves hear of it.
nodes 5
0 broadcast n1 11
0 broadcast n3 12
2500 kill n0
2600 broadcast n3 13
6000 broadcast n2 14
8000 start n0
12000 broadcast n4 15

# The hub forgets everything. It shows its digest to one leaf first, and to the others
# when it has caught up with that one.
nodes 4
0 broadcast n1 11
100 broadcast n3 12
2500 kill n0
3300 broadcast n3 13
3500 start n0

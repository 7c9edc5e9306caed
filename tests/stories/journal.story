# The same with journals: what was acknowledged is on the disk.
nodes 3
journal
0 broadcast n1 11
1000 cut n2
1100 broadcast n2 12
1200 kill n2
1300 heal
2000 start n2

# A value was acknowledged to its client and had not left yet when the node stopped.
nodes 3
0 broadcast n1 11
1000 cut n2
1100 broadcast n2 12
1200 kill n2
1300 heal
2000 start n2

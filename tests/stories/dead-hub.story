# A hub dies with its batch, and what comes for it meanwhile is dropped.
nodes 4
within 1700
0 broadcast n1 11
200 broadcast n3 12
2000 broadcast n1 13
2300 kill n0
2500 broadcast n0 14
2600 broadcast n2 15
3500 start n0

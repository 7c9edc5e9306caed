# A leaf forgets everything, and gets it back.
nodes 4
0 broadcast n1 11
100 broadcast n3 12
2500 kill n2
3000 broadcast n1 13
3500 start n2

# The tour: some values, one lost message, one partition, one restart.
0 broadcast n1 11
0 lose n0 n4
60 broadcast n2 12
500 broadcast n3 13
2500 cut n3
2600 broadcast n0 14
2700 broadcast n3 15
4500 broadcast n1 16
4800 heal
9000 kill n2
9000 start n2

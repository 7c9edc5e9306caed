# Many values: the hub says when it departs next, and the leaves arrive just before.
nodes 3
within 1000
warm
0 broadcast n1 11
100 broadcast n2 12
200 broadcast n1 13
300 broadcast n2 14
400 broadcast n1 15
500 broadcast n2 16
600 broadcast n1 17
700 broadcast n2 18
800 broadcast n1 19
900 broadcast n2 20
1000 broadcast n1 21
1100 broadcast n2 22
1200 broadcast n1 23
1300 broadcast n2 24
1400 broadcast n1 25
1500 broadcast n2 26
1600 broadcast n1 27
1700 broadcast n2 28
1800 broadcast n1 29
1900 broadcast n2 30
2000 broadcast n1 31
2100 broadcast n2 32
2200 broadcast n1 33
2300 broadcast n2 34

# n0 does not hear n3, but n3 hears n0: a sign of life is not yet good news.
nodes 4
0 broadcast n1 11
0 broadcast n2 12
0 broadcast n3 13
2500 cut n3 n0
2600 broadcast n0 14
2700 broadcast n3 15
5500 heal

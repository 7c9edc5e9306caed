# The last word is lost, three times: nothing comes behind it, so timers have to do.
nodes 3
0 broadcast n2 11
0 broadcast n1 12
1000 lose n0 n2
1000 lose n0 n2
1000 lose n0 n2
1000 broadcast n1 13

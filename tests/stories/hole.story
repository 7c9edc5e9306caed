# One message is lost. What comes behind it shows the hole, and that is filled.
0 broadcast n1 11
0 lose n0 n4
500 broadcast n3 13

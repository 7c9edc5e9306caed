# The tour: some values, one lost message, one partition, one restart.
0 say Two values. The hub tells one leaf at once, which shows how far that is, and waits for company with the others.
0 broadcast n1 11
0 lose n0 n4
60 broadcast n2 12
160 say The message for n4 will be lost.
500 say What comes next shows n4 that something is missing, and it asks for just that.
500 broadcast n3 13
2500 say Now n3 is cut off. Nobody is told: it shows when no acks come.
2500 cut n3
2600 broadcast n0 14
2700 broadcast n3 15
4500 broadcast n1 16
4800 heal
4800 say The next probe of the hub gets through, and each side sends what has waited.
9000 say A node that starts anew is known by its epoch, and gets back what it held.
9000 kill n2
9000 start n2

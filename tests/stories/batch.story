# Three values in one batch: the hub waits for company, and each leaf gets one delta.
warm
0 broadcast n1 11
20 broadcast n2 12
40 broadcast n3 13

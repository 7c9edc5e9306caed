# One value on its way to everybody: up to the hub, and down to the others.
warm
0 broadcast n1 11

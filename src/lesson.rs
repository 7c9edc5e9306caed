//! The lesson: how such a protocol works underneath, from the node that everybody
//! writes first to one that loses nothing.
//!
//! In the manner of Maelstrom's own guide: ask, predict, run, read *one* number, explain
//! it, change one thing. Cover the figures before you run a command, and say what you
//! expect: what surprises you is what you learn. Each command runs as it stands here, and
//! prints these very lines, since nothing in virtual time depends on the machine; a test
//! runs all of them (`./run.sh lesson`). Lines between those shown are left out.
//!
//! The job, challenge 3 of Fly.io's Gossip Glomers: 25 nodes; clients tell any of them a
//! value, a hundred operations a second, half of them reads; every value must come to
//! every node, over a network that takes 100 ms a message and may lose them or fall
//! apart. *Messages per operation* and the *stable latency*, from the moment a value is
//! known to the last read that misses it, are what counts.
//!
//! | to begin with | the protocol | when things break | beyond sets | at the end |
//! |---|---|---|---|---|
//! | [1 flooding](#1-flooding) | [4 batching](#4-batching) | [8 timeouts](#8-timeouts-and-backoff) | [15 joins](#15-joins) | [18 the poll loop](#18-the-poll-loop) |
//! | [2 it loses](#2-it-loses) | [5 the promise](#5-the-promise-and-the-timetable) | [9 round trips](#9-round-trips) | [16 the log](#16-what-joins-cannot-do-the-log) | [19 figures that fool](#19-figures-that-fool) |
//! | [3 the tree](#3-the-tree) | [6 offsets and acks](#6-offsets-and-acks) | [10 good news](#10-good-news-after-a-partition) | [17 transactions](#17-transactions) | [20 how we know](#20-how-we-know) |
//! | | [7 holes](#7-holes) | [11 one-way cuts](#11-one-way-cuts) | | |
//! | | | [12 incarnations](#12-incarnations) | | |
//! | | | [13 anti-entropy](#13-anti-entropy) | | |
//! | | | [14 durability](#14-durability) | | |
//!
//! # 1 Flooding
//!
//! *[next: it loses](#2-it-loses)*
//!
//! **How would you do it?** You get a value, you tell all your neighbours; they tell
//! theirs, all but the one that they heard it from. Maelstrom proposes the neighbours, for
//! 25 nodes a grid of 5 by 5. This is `src/bin/flood.rs`, a hundred lines with its comments.
//!
//! **Predict:** the grid has 40 edges. How many messages does a value cost?
//!
//! ```text
//! $ ./run.sh efficient --virtual --bin target/release/flood --topology grid
//! messages per operation         27.23       < 30        9 %       < 20      -36 %
//! stable latency, median        481 ms   < 400 ms      -20 %  < 1000 ms       52 %
//! stable latency, maximum       799 ms   < 600 ms      -33 %  < 2000 ms       60 %
//! ```
//!
//! **Read one number:** 27.23. Each node but the first tells all its neighbours but one, so a
//! value takes 2 x 40 - 24 = 56 messages; half of the operations are reads, which are
//! free, so 28 an operation (27.23, as 976 of these 2007 were broadcasts). Of these 56 only 24 tell somebody something new. And the far
//! corner is eight hops away: 800 ms.
//!
//! **The code:** `Flood::hear` in `src/bin/flood.rs`: one loop over the neighbours.
//!
//! <details><summary><b>Exercise.</b> Give it another topology: <code>--topology
//! tree4</code>, where each node has up to four below it. Predict the messages first.</summary>
//!
//! A tree of 25 nodes has 24 edges and no cycle, so nothing is told twice: 24 messages a
//! value, 12 an operation (11.67 in this run, since not half of the operations are
//! broadcasts), and at most six hops. Both challenges are met. Why go on? Because
//! of the next chapter.
//! </details>
//!
//! # 2 It loses
//!
//! *[back: flooding](#1-flooding) · [next: the tree](#3-the-tree)*
//!
//! **What happens when the network falls apart for a while?** The nodes cannot tell: a
//! message to nobody looks like any other.
//!
//! **Predict:** some partitions in 20 s, then it heals for good. Of about 980 values, how
//! many will be missing somewhere?
//!
//! ```text
//! $ ./run.sh partition --virtual --bin target/release/flood --topology tree4
//! 488 values lost, 0 never read
//! 661 stale: some read missed them at first, as on any network with latency
//! ```
//!
//! **Read one number:** 488. Each was answered with `broadcast_ok`, "I have it and
//! will not forget it". But whoever was cut off when it passed by never hears of it again:
//! nothing is ever said twice. All that follows is about keeping that one promise cheaply.
//!
//! **The code:** what is *not* in `flood.rs`: nothing remembers what a neighbour has.
//!
//! <details><summary><b>Exercise.</b> "Just send everything again every second." What would
//! that cost, and what would it mend?</summary>
//!
//! After ten seconds there are 500 values. Sent whole by 25 nodes to their neighbours each
//! second that is 48 messages a second: only half a message an operation. It would
//! be correct, and each message would grow without end: 500 values, 5000,
//! 50 000. So one must know what the other has: offsets (chapter 6) and digests (13).
//! </details>
//!
//! # 3 The tree
//!
//! *[back: it loses](#2-it-loses) · [next: batching](#4-batching)*
//!
//! **Which neighbours should a node have?** Each of the 24 others must hear of a value by
//! some message: 24 is the least, one value a message. Any *spanning tree* does it.
//!
//! **Predict:** we take the flattest one, a star: one hub, 24 leaves. What are median
//! and maximum, at 100 ms a hop?
//!
//! ```text
//! $ ./run.sh efficient --virtual -- --within-ms 0
//! messages per operation         11.75       < 30       61 %       < 20       41 %
//! stable latency, median        186 ms   < 400 ms       53 %  < 1000 ms       81 %
//! stable latency, maximum       199 ms   < 600 ms       67 %  < 2000 ms       90 %
//! ```
//!
//! **Read one number:** 199 ms. From leaf to leaf are two hops, whatever the pair. And 11.75
//! instead of 12: 976 of the 2007 operations were broadcasts, which makes 11.67, and 159 acks
//! travelled alone.
//!
//! **Why not two levels?** Four hops instead of two, and less time to wait for company in
//! the next chapter. A second level only helps a hub that has too much to do
//! ([`tree::ONE_HUB_LIMIT`](crate::tree::ONE_HUB_LIMIT)).
//!
//! **The code:** [`tree::place`](crate::tree::place), a pure function of the list of nodes
//! that `init` brings. Nothing has to be agreed on.
//!
//! <details><summary><b>Exercise.</b> <code>./run.sh efficient --virtual -- --within-ms 0
//! --hubs 5</code>: what changes, and what does not?</summary>
//!
//! The messages do not: still one an edge. The maximum doubles to about 400 ms, four hops.
//! </details>
//!
//! # 4 Batching
//!
//! *[back: the tree](#3-the-tree) · [next: the promise and the timetable](#5-the-promise-and-the-timetable)*
//!
//! **How can it be fewer than one message a value and node?** By saying more with each. A
//! hub that waits a moment has more to tell when it speaks.
//!
//! **Predict:** a value may take 400 ms (the default). The network takes 200 of them. How
//! many messages an operation, if 50 values a second arrive?
//!
//! ```text
//! $ ./run.sh efficient --virtual
//! messages per operation          1.65       < 30       95 %       < 20       92 %
//! stable latency, median        279 ms   < 400 ms       30 %  < 1000 ms       72 %
//! stable latency, maximum       394 ms   < 600 ms       34 %  < 2000 ms       80 %
//! promised within               400 ms
//! 0 values lost, 0 never read
//! 975 stale: some read missed them at first, as on any network with latency
//! ```
//!
//! **Read one number:** 1.65. With the first value that it hears the hub's *batch* begins,
//! and 195 ms later it departs (5 ms are a margin). The next begins with the next value, some
//! 15 ms later: 4.8 departures a second of 24 deltas each, 1.15 an operation. The way up costs 0.48 more, as 24 of
//! 25 values begin at a leaf. The rest are acks that found no ride.
//!
//! When waiting is worth it is the *dynamic TCP acknowledgment problem* (Dooly, Goldman and
//! Scott, 1998). The client does not wait for any of this: its node keeps the value and
//! does not rest until the hub has it.
//!
//! **The code:** `Gossip::spread` puts an item on all links but the one that it came from;
//! `end_turn` lets the batch depart.
//!
//! <details><summary><b>Exercise.</b> Promise 250 ms instead: <code>-- --within-ms
//! 250</code>. Predict the messages by the reckoning above.</summary>
//!
//! 45 ms are left to gather in, and the next value comes some 17 ms later: a batch every
//! 62 ms, 16.2 departures a second of 24 deltas, 3.9 an operation, 0.47 for the way up and
//! 0.05 for acks alone: 4.4, as the frontier of <code>./run.sh frontier</code> has it.
//! </details>
//!
//! # 5 The promise and the timetable
//!
//! *[back: batching](#4-batching) · [next: offsets and acks](#6-offsets-and-acks)*
//!
//! **Challenge 3e leaves a value two seconds. Can all of that be turned into fewer
//! messages?** With 1700 ms promised, the hub departs every 1.5 s: 0.16 an operation. But each
//! leaf still sends each value at once, 0.48. Now *that* is the expense.
//!
//! **Predict:** a leaf would like to wait, too, but not so long that it misses the
//! hub's departure. What does it have to know?
//!
//! ```text
//! $ ./run.sh efficient --virtual -- --within-ms 1700
//! messages per operation          0.37       < 30       99 %       < 20       98 %
//! stable latency, median        907 ms   < 400 ms     -127 %  < 1000 ms        9 %
//! stable latency, maximum      1694 ms   < 600 ms     -182 %  < 2000 ms       15 %
//! promised within              1700 ms
//! ```
//!
//! **Read one number:** 0.37. The hub keeps a *timetable*: each delta says in how many ms the
//! next one leaves (`"next":1473`). A leaf adds that to the moment at which the delta came,
//! takes off a round trip (the delta's way here and its own way there), which it has
//! measured (chapter 9), and a margin, and holds back
//! until then what it has to say: one delta up and one down a period, at most. The two
//! clocks need not agree. A leaf that misses the departure all the same, on a busy machine, is
//! not left waiting for the next one: the hub departs again for it.
//!
//! With few values that is dearer than sending at once, and the hub can tell: it takes
//! the cheaper way ([`timetable`](crate::gossip::timetable) has the reckoning). You set
//! the promise; the node spends what the network leaves of it.
//!
//! **The code:** `Timetable::depart` at the hub, `Aim::hear` at the child.
//!
//! <details><summary><b>Exercise.</b> Force the first way with an option for tests, which no help names: <code>-- --within-ms 1700 --pace
//! lazy</code>. What is the difference in messages, and where is it?</summary>
//!
//! 0.65 instead of 0.37: the values that each leaf sends at once.
//! </details>
//!
//! # 6 Offsets and acks
//!
//! *[back: the promise and the timetable](#5-the-promise-and-the-timetable) · [next: holes](#7-holes)*
//!
//! **How does a node know what its neighbour has?** It numbers what it sends. Each item of
//! a link's stream has an *offset*; each message says "mine begin at 9" and "I have all
//! of yours below 120" (a *cumulative* ack, as in TCP).
//!
//! **Predict:** every delta must be acknowledged. How many acks are messages of their own, in
//! 20 s?
//!
//! ```text
//! $ ./run.sh efficient --virtual
//! 3307 messages between nodes: 3238 deltas (0 with nothing new), 69 acks alone,
//! 0 dropped, 0 duplicated
//! ```
//!
//! **Read one number:** 69. All others *rode* on a delta that went that way anyway. Only when
//! nothing did for a second and the promise, here 1.4 s, was one sent alone (*delayed ack*, RFC
//! 1122, 4.2.3.2). And as an ack is cumulative, one that gets lost costs nothing as soon as the
//! next arrives.
//!
//! **The code:** [`Link`](crate::link::Link): the picture of its queue; `segment` puts an ack
//! on everything.
//!
//! <details><summary><b>Exercise.</b> <code>--rate 10</code>: will there be more acks alone, or
//! fewer?</summary>
//!
//! More, by far, in proportion: with five values a second most acks find no delta to ride
//! on within the time.
//! </details>
//!
//! # 7 Holes
//!
//! *[back: offsets and acks](#6-offsets-and-acks) · [next: timeouts and backoff](#8-timeouts-and-backoff)*
//!
//! **A message is lost, and the next one arrives. What does the receiver know?** That offset
//! 0 is missing where 1 came.
//!
//! **Predict:** when does it ask, and what is sent again?
//!
//! ```text
//! $ ./run.sh trace tests/stories/hole.story
//!   0.166 s  o    |    |    |    |     n0 sends n4 delta 0:[11], ack 0; lost
//!   0.895 s  |----+----+----+--->*     n4 gets delta 1:[13], ack 0
//!   1.145 s  |    |    |    |    !     offset 0 is missing and overdue: asks n0 for it
//!   1.145 s  |    |    |    |    o     n4 sends n0 ack 0, missing 0-0
//!   1.245 s  !    |    |    |    |     sends n4 an item again, from 0 on: a hole, named as missing
//!   1.345 s  |----+----+----+--->*     n4 gets delta 0:[11], ack 0
//! ```
//!
//! **Read one number:** 1.145 s. 13 was merged at once; only the hole waits, for a moment, as
//! what is missing may just be late: a network that reorders is no network that loses. How
//! long is what this link's round trips have strayed, at least 10 ms; before anything is
//! measured, as here, 250 ms (compare RFC 9002, 6.1.2). Then the receiver names
//! the range and gets that (*selective repeat*). If the answer is lost, it names it again.
//!
//! **The code:** `Incoming` (`src/link/incoming.rs`), which knows holes; `note_losses` and
//! `resend` at the other end.
//!
//! <details><summary><b>Exercise.</b> <code>./run.sh efficient --virtual --loss 0.05</code>: one
//! message in twenty is lost. How many are sent in vain?</summary>
//!
//! Look at "duplicates" in the line of the nodes' links: hardly any. And only half as many are
//! sent again as were lost. Naming a hole and filling it takes a round trip, and may be lost,
//! too. So a link that has lost something of late begins each small delta where the acks end
//! (`repeats`): what is in flight goes again with what is new, at no message more.
//! </details>
//!
//! # 8 Timeouts and backoff
//!
//! *[back: holes](#7-holes) · [next: round trips](#9-round-trips)*
//!
//! **What if nothing comes behind the lost message?** Then nobody can see a hole, and only
//! a clock helps.
//!
//! **Predict:** the round trip is 200 ms. When does the hub try again? Why not
//! after 200 ms?
//!
//! ```text
//! $ ./run.sh trace tests/stories/timeout.story
//!   1.295 s  o    |    |     n0 sends n2 delta 1:[13], ack 1; lost
//!   1.766 s  !    |    |     sends n2 an item again, from 1 on: should be acknowledged by now
//!   1.766 s  o    |    |     n0 sends n2 delta 1:[13], ack 1; lost
//!   3.416 s  !    |    |     no ack from n2 for 1.65 s: n2 is suspect
//!   3.416 s  !    |    |     probes n2 from 1 on (timeout); no answer: again in 0.25 s
//!   3.866 s  !    |    |     n2 has answered: it is healthy again, what waited goes
//! ```
//!
//! **Read one number:** 1.65 s. An ack may wait for a ride for 1.4 s (chapter 6), so to
//! try after 200 ms would send most things twice. The *retransmission timeout* is that delay
//! and what a round trip takes at most: 200 ms, and 50 for its straying, a guess after the
//! first sample. (At 1.766 s it was earlier: n2 said something,
//! and did not acknowledge what had been sent a round trip before.) Now n2 is *suspect*: it gets nothing but
//! *probes*, which ask for an answer at once, further and further apart (*exponential
//! backoff*, with jitter), up to 3 s; besides, a hub probes one of its suspects every
//! 250 ms. A dead neighbour costs next to nothing.
//!
//! **The code:** `handle_timeout` in `src/link.rs`; `timeout` and `probe_segment` in
//! `src/link/loss.rs`.
//!
//! <details><summary><b>Exercise.</b> In <code>tests/stories/timeout.story</code> lose the
//! message once, not three times. Who notices first?</summary>
//!
//! The hub, at 1.766 s, when n2's ack of something else comes in: no timer was needed.
//! </details>
//!
//! # 9 Round trips
//!
//! *[back: timeouts and backoff](#8-timeouts-and-backoff) · [next: good news](#10-good-news-after-a-partition)*
//!
//! **How does a node know what the network takes?** Nobody tells it, and a constant would
//! be wrong on the next network.
//!
//! **Predict:** the same promise of 400 ms on a network of 10 ms. More messages, or fewer?
//!
//! ```text
//! $ ./run.sh efficient --virtual --latency 10
//! messages per operation          1.05
//! stable latency, median        192 ms
//! stable latency, maximum       388 ms
//! ```
//!
//! **Read one number:** 1.05, where chapter 4 had 1.65. A shorter way leaves more of the promise
//! to gather in. Each ack says how long it was *held* back (as in QUIC, RFC 9000, 13.2.5);
//! what is left of the time since the message left is a sample of the round trip, which
//! is smoothed as RFC 6298 does it. Timeouts, the age of holes, the hub's period: all
//! follow. So as to know it soon a root sends its first item on to one child at once, and asks
//! for an answer (*ack-eliciting*, RFC 9000, 13.2).
//!
//! **The code:** [`RoundTrip`](crate::link::RoundTrip), and `measure` in `src/link/loss.rs`.
//!
//! <details><summary><b>Exercise.</b> <code>--latency 250</code>: what does the node do
//! with a promise that cannot be kept?</summary>
//!
//! The way takes 500 ms: nothing is left. Everything departs at once, 11.47 messages an
//! operation, the latency is what it is, and the hub says so once
//! (<code>promise-broken</code> in its log, <code>target/runs/efficient/node-logs/n0.log</code>).
//! </details>
//!
//! # 10 Good news after a partition
//!
//! *[back: round trips](#9-round-trips) · [next: one-way cuts](#11-one-way-cuts)*
//!
//! **The network is whole again, and nobody is told. How soon does anybody notice?** Each
//! suspect is tried only now and then: that is why a partition is cheap.
//!
//! **Predict:** the hub was cut off from its three leaves. How long until all of them have
//! everything?
//!
//! ```text
//! $ ./run.sh trace tests/stories/good-news.story
//!   5.433 s  !    |    |    |     probes n1 from 2 on (a hub's turn); no answer: again in 0.75 s
//!   5.500 s  #    |    |    |     HEAL: the network is whole again; nobody is told
//!   5.633 s  !    |    |    |     n1 has answered: it is healthy again, what waited goes
//!   5.633 s  !    |    |    |     probes n2 from 2 on (good news); no answer: again in 0.24 s
//! ```
//!
//! **Read one number:** 5.633 s. One answer proves that both directions work; and if one leaf
//! is back, maybe all are: the hub probes the others *now*. So a partition is over one
//! turn and some round trips after its end, however long it was. (A leaf for which the hub
//! has nothing waits for its own next try, up to 3 s.)
//!
//! **The code:** `Gossip::take_note`: four lines.
//!
//! <details><summary><b>Exercise.</b> Take those lines out (the loop that probes the other
//! neighbours) and run <code>./run.sh partition --virtual --seed 4</code> again.</summary>
//!
//! Look at the column *recovery*: 440 to 600 ms with good news. Without, each link has to wait
//! for its own next try (1923 ms instead of 678 in an earlier edition). It is one of the
//! mutants of chapter 20.
//! </details>
//!
//! # 11 One-way cuts
//!
//! *[back: good news](#10-good-news-after-a-partition) · [next: incarnations](#12-incarnations)*
//!
//! **What if n0 does not hear n3, but n3 hears n0?** Then n3 gets probes and thinks: a
//! sign of life! It answers, nobody hears that, and if a sign of life made it
//! try everything at once again, the two would storm.
//!
//! **Predict:** what must a node that hears a suspect do, and what must it not do?
//!
//! ```text
//! $ ./run.sh trace tests/stories/one-way.story
//!   2.500 s  |    |    |    #     ONE-WAY CUT: what n3 sends n0 does not arrive
//!   4.445 s  !    |    |    |     no ack from n3 for 1.65 s: n3 is suspect
//!   4.545 s  |    |    |    !     n3 hears from its suspect n0: a sign of life
//!   4.545 s  |    |    |    !     sign of life: tries n0 at 4.600 s, a round trip after the last try
//!   4.600 s  |    |    |    !     probes n0 from 1 on (sign of life); no answer: again in 2.46 s
//!   5.500 s  |    |    |    #     HEAL: the network is whole again; nobody is told
//! ```
//!
//! **Read one number:** 4.600 s. n3 answers the probe at once, and tries its own delta
//! again, but not sooner than a round trip after it did so last; it probes nobody else, and
//! n0 does not call it healthy. A message from a suspect proves *one* direction. Only the ack of something new proves both. A hub of 500
//! that was heard by nobody sent 2376 messages a second in the first edition; now that costs at
//! most half more than a two-way cut. (A single leaf that is not heard, as here: two and a half
//! times, some ten messages a second.)
//!
//! **The code:** `Link::probe`, and `healthy` in `handle_ack`.
//!
//! <details><summary><b>Exercise.</b> Turn the cut round: <code>cut n0 n3</code>. Who
//! suspects whom?</summary>
//!
//! n0 suspects n3: what it sends does not arrive, so no ack comes. n3 suspects n0: its 15
//! arrives, but the ack does not.
//! </details>
//!
//! # 12 Incarnations
//!
//! *[back: one-way cuts](#11-one-way-cuts) · [next: anti-entropy](#13-anti-entropy)*
//!
//! **A node is killed and started again, with nothing in its memory. What do its
//! neighbours believe?** That it has everything below offset 2: it said so.
//!
//! **Predict:** when, and by what, does the hub learn that n2 is a new one?
//!
//! ```text
//! $ ./run.sh trace tests/stories/restart-leaf.story
//!   3.500 s  |    |    #    |     START: n2 starts anew
//!   4.500 s  |    |    !    |     tells n0 in ranges what it holds (greeting: nothing heard yet)
//!   4.500 s  |    |    o    |     n2 sends n0 sync [], probe
//!   4.600 s  !    |    |    |     n2 has a higher epoch: it has started anew
//! ```
//!
//! **Read one number:** 4.500 s. Each run of a process is an *incarnation*, with a number that
//! is larger than those before: its *epoch*, here the wall clock. Each message says whose
//! it is, and whom it is for. A higher epoch than known is a restart: what was queued for the
//! old one is forgotten. The new one
//! heard nothing for a second, so it *greets*; with traffic it would have been known
//! sooner, at no cost.
//!
//! **And a lower epoch?** That message was late, or somebody set the clock back before the
//! restart. The neighbour cannot tell, so it believes nothing of it, and answers with one
//! ack, whose `peer` is the epoch that it knows. A late message does no harm in this way. A
//! node with an early clock learns that it is taken for dead, and *refutes* that: it raises
//! its epoch above the one that was named, and all its links begin anew. SWIM refutes a
//! suspicion in the same way (Das, Gupta and Motivala, 2002).
//!
//! **The code:** `recognise` in `src/link/anti_entropy.rs`; [`raised`](crate::link::raised)
//! in `src/link.rs`, and `refute` in `src/node.rs`.
//!
//! <details><summary><b>Exercise.</b> Why does the hub's stream not begin at offset 0 again
//! for the new incarnation?</summary>
//!
//! Because a message to the former one may still be under way. If numbers were used
//! twice it could be taken for one of the new. The stream belongs to its sender's epoch, and
//! for a new receiver just begins later.
//! </details>
//!
//! # 13 Anti-entropy
//!
//! *[back: incarnations](#12-incarnations) · [next: durability](#14-durability)*
//!
//! **It lacks something, but what?** To send everything would do, but there may be a
//! million values. It must say what it has, in few words.
//!
//! **Predict:** the hub itself has forgotten everything, and only together do its three leaves
//! know all: 13 is on n1 alone. How often is a value sent to it?
//!
//! ```text
//! $ ./run.sh trace tests/stories/restart-hub.story
//!   3.500 s  #    |    |    |     START: n0 starts anew
//!   3.900 s  o    |    |    |     n0 sends n2 sync [], probe
//!   4.000 s  |    |    o    |     n2 sends n0 delta 0:[11 12], ack 0
//!   4.100 s  o    |    |    |     n0 sends n1 sync [11-12], probe
//!   4.100 s  o    |    |    |     n0 sends n3 sync [11-12], probe
//!   4.200 s  |    o    |    |     n1 sends n0 delta 2:[13], ack 0
//! ```
//!
//! **Read one number:** 13, all that n1 had to send. The hub shows its *digest*, ranges of
//! what it holds, to one leaf *first*, and to the others when it has caught up with that
//! one. So each value comes once: 100 000 values cost 1.000 times their number, also for a hub with 24
//! leaves. (If it asked all at once, all would send everything.) Comparing digests and
//! sending the difference is *anti-entropy* (Demers and others, 1987).
//!
//! **The code:** `src/gossip/catch_up.rs`; the workload gives
//! [`digest`](crate::workload::Workload::digest) and
//! [`missing`](crate::workload::Workload::missing).
//!
//! <details><summary><b>Exercise.</b> Ranges are short if values are dense. What if they are
//! a million random numbers?</summary>
//!
//! Then a digest of ranges is as long as the values. It is cut off after 4096 ranges, and what
//! is left out is sent again: too much, but right. (Merkle trees or Bloom filters are
//! shorter; here they would be more to explain than to gain.)
//! </details>
//!
//! # 14 Durability
//!
//! *[back: anti-entropy](#13-anti-entropy) · [next: joins](#15-joins)*
//!
//! **What if all are killed at once?** Then there is no neighbour to ask.
//!
//! **Predict:** 30 s with kills, 1500 values. Without a journal, how many are gone that were
//! acknowledged?
//!
//! ```text
//! $ ./run.sh crash --virtual --volatile
//! 628 values lost, 1 never read
//! $ ./run.sh crash --virtual
//! 0 values lost, 1 never read
//! ```
//!
//! **Read one number:** 628, and then 0. With `--data-dir` a node *stores* what it has heard
//! before it says so: a line in a file, and `fdatasync`, once for all that one turn of the
//! loop has brought (*group commit*). So a slow disk costs latency, not throughput.
//!
//! **What does a crash leave of a write?** Until `fdatasync` returns, the system writes the
//! file's pages in any order. So there may be zeros in front of good lines. Nobody was
//! promised these lines, and the next start cuts them off. But zeros in lines that were
//! synced are no work of a crash: the node would forget what it has acknowledged, so it refuses
//! to start. To tell the two apart, the node appends a *mark* when the sync has returned:
//! `{"synced":57}`, the 57 bytes before me are on the disk. Damage with a mark behind it was
//! synced. The mark needs no sync of its own; the next turn's will do.
//!
//! **The code:** [`journal`](crate::journal), whose text says what fsync promises and what
//! it does not.
//!
//! <details><summary><b>Exercise.</b> Why not write the mark together with the turn's
//! line, before the sync?</summary>
//!
//! A crash before the sync returns may keep the mark's page and lose the line's. Then the mark
//! lies, and the node refuses a journal in which nothing is missing that it had promised.
//! </details>
//!
//! <details><summary><b>Exercise.</b> Must a node store before it answers a client, before it
//! acknowledges a neighbour, or both?</summary>
//!
//! Both. A client that was answered keeps nothing. Who acknowledges a neighbour takes the value over: the neighbour forgets
//! that you lack it. If you lose it then, nobody will send it again.
//! </details>
//!
//! # 15 Joins
//!
//! *[back: durability](#14-durability) · [next: what joins cannot do](#16-what-joins-cannot-do-the-log)*
//!
//! **All of this delivers items at least once, and in any order. What can be computed of
//! items like that?** A set can: its union does not care. A sum?
//!
//! **Predict:** a counter that spreads "add 3", under a network that duplicates every
//! tenth message. Too high, too low?
//!
//! ```text
//! $ ./run.sh workload pn-counter --virtual --duplicate 0.1 --loss 0.1
//! PASS: valid
//! ```
//!
//! **Read one word:** valid. It does not spread "add 3". Each node spreads *its own sums so
//! far*, of what was added and of what was taken away; each only grows, so the greater is the
//! later one, and the value is made of all nodes' maxima.
//! Union and maximum are *joins*: commutative, associative, idempotent (a CRDT: Shapiro and
//! others, 2011). Then at least once is enough, and order does not matter.
//!
//! **The code:** [`counter`](crate::workload::counter); the law, and the test that holds every
//! workload against it, in [`workload`](crate::workload). Unique ids
//! ([`unique_ids`](crate::workload::unique_ids)) need no join: nothing has to spread. One trap
//! lies in their form: an id has 63 bits, and a JavaScript client rounds every integer above
//! 2^53, so a thousand ids become nine. hubcast gives them as strings of one length.
//!
//! <details><summary><b>Exercise.</b> In <code>counter.rs</code> replace the maximum by
//! <code>+</code>, and run the command again.</summary>
//!
//! "Final read" problems at once. The torture finds it in its first lives, too (chapter 20).
//! </details>
//!
//! # 16 What joins cannot do: the log
//!
//! *[back: joins](#15-joins) · [next: transactions](#17-transactions)*
//!
//! **Two nodes append to a log at the same moment. Who is first?** If each decides for
//! itself, both are number 7, and no merge can mend that.
//!
//! **Predict:** what does it cost a client to have it decided? 100 ms a hop.
//!
//! ```text
//! $ ./run.sh workload kafka --virtual
//! messages per operation          1.90
//! send answered in, median                       200.0 ms
//! ```
//!
//! **Read one number:** 200.0 ms, where every other request was answered at once. One node
//! decides, the root (a *fixed sequencer*); a message travels up to it, gets its offset, and
//! comes back to its origin. These two do not wait for the hub's departure; all others hear of it with
//! the hub's next departure. And during a partition a client that is cut off from the root
//! waits: order costs availability.
//!
//! **The code:** [`log`](crate::workload::log). Exactly once: whoever has an entry knows its
//! origin, and ignores it if it comes again.
//!
//! <details><summary><b>Exercise.</b> A root forgets everything and starts anew. What must
//! it do before it gives out an offset?</summary>
//!
//! Hear from *all* its neighbours what they hold, not only from one: any of them may be
//! the only one that got the last entry. With a journal it knows.
//! </details>
//!
//! # 17 Transactions
//!
//! *[back: the log](#16-what-joins-cannot-do-the-log) · [next: the poll loop](#18-the-poll-loop)*
//!
//! **Can a transaction be atomic without asking anybody?** Nobody may see half of it.
//!
//! **Predict:** how long does a client wait for its commit, and what is the price?
//!
//! ```text
//! $ ./run.sh workload txn-rw-register --virtual --nemesis partition
//! txn answered in, median       0.0 ms
//! txns                    2031         0               0         100 %
//! PASS: valid
//! ```
//!
//! **Read one number:** 100 %, though the network was cut for the last seven seconds. It runs on what the node has, and its
//! writes travel as *one* item. Of two writes to a key the one with the greater *Lamport
//! timestamp* wins, everywhere the same: a join again. The price: two that run at the same
//! time do not see each other, and one of two increments is lost.
//!
//! **The code:** [`txn`](crate::workload::txn).
//!
//! <details><summary><b>Exercise.</b> Why does the timestamp of a write have to be greater
//! than that of everything that was read?</summary>
//!
//! "I read 3, so I write 4": if the 4 had the smaller timestamp, the 3 that it replaces would
//! win, everywhere.
//! </details>
//!
//! # 18 The poll loop
//!
//! *[back: transactions](#17-transactions) · [next: figures that fool](#19-figures-that-fool)*
//!
//! **How can one thread wait for a message and for a deadline at once, and use no processor
//! time?** With one call that waits for both: poll(2), with the next deadline as its timeout.
//!
//! **Predict:** the load is over. How often does a node wake up in the next minute?
//!
//! ```text
//! $ ./run.sh efficient --virtual --quiet 60
//! the last message between nodes was sent 1.41 s after the last operation
//! ```
//!
//! **Read one number:** 1.41 s: the last delayed ack. After that no node has a deadline, and
//! poll waits for ever. With real nodes (the same command without `--virtual`) look at
//! `grep ^voluntary /proc/$(pgrep -n hubcast)/status` twice in the quiet: the
//! number does not move. There are no heartbeats: a node that has nothing to say does not
//! say so.
//!
//! **The code:** `serve` in `src/main.rs`, and [`stdio`](crate::stdio), the node's only unsafe code.
//! Everything that decides has no clock, no I/O and no threads ([`node`](crate::node)):
//! that is why virtual time is possible at all.
//!
//! <details><summary><b>Exercise.</b> Without heartbeats, how does a node find out that an
//! idle neighbour has died?</summary>
//!
//! It does not, and need not: it finds out when it has something to say.
//! </details>
//!
//! # 19 Figures that fool
//!
//! *[back: the poll loop](#18-the-poll-loop) · [next: how we know](#20-how-we-know)*
//!
//! **Which of our figures would you believe?** Each can be made beautiful.
//!
//! **Predict:** one operation a second instead of a hundred, the same promise. What is the
//! median latency?
//!
//! ```text
//! $ ./run.sh efficient --virtual --rate 1
//! stable latency, median          0 ms   < 400 ms      100 %  < 1000 ms      100 %
//! stable latency, maximum         0 ms   < 600 ms      100 %  < 2000 ms      100 %
//! ```
//!
//! **Read one number:** 0 ms. The latency ends with the last *read* that missed a value, and
//! none of the few reads began within 400 ms of a value that it missed. A median hides the tail, too: look at the maximum. *Messages
//! per operation* counts reads, which cost nothing: with more of them it looks better. And a
//! node that answered `broadcast_ok` only when all others had the value would show a
//! latency of 0: so the report says how long clients waited.
//!
//! **The code:** `src/bin/testbed/judge/set.rs`, which says what is known, stable, stale, lost.
//!
//! <details><summary><b>Exercise.</b> Make 1.65 look like half of that without touching the
//! node.</summary>
//!
//! A higher rate, at which more values share a batch: <code>--rate 300</code>. Compare figures at the same rate only.
//! </details>
//!
//! # 20 How we know
//!
//! *[back: figures that fool](#19-figures-that-fool)*
//!
//! **It worked in all these runs. Does it work?** A run shows one order of events of too
//! many.
//!
//! **Predict:** take out one line that matters. How many random lives does it take until a
//! promise is broken? (Between 1 and some hundred; good news, chapter 10: about 20.)
//!
//! ```text
//! $ ./run.sh torture --runs 200 --seed 1
//! PASS
//! ```
//!
//! **Read one word:** PASS, 200 clusters of up to 60 nodes with loss, duplicates, reordering,
//! cuts, pauses, crashes in the middle of a write; after every step it is checked that
//! nobody has forgotten or invented anything, and after the heal that all is there and
//! all is quiet. A failure prints its seed, and the command that shows it again. The
//! *exhaustive model* of a link (`src/link/model.rs`) tries every order of events with few
//! messages. And `./run.sh mutants` breaks the protocol in one place after the other and
//! counts the lives until somebody notices: a check that cannot fail proves nothing.
//!
//! **The code:** `src/bin/testbed/commands/torture/`, `tests/mutants.rs`.
//!
//! <details><summary><b>Exercise.</b> Add a mutant of your own to
//! <code>tests/mutants.rs</code>: a line of the protocol that looks as if nobody needed
//! it.</summary>
//!
//! If it survives, either the torture is too weak, or the line is not needed. Both are worth
//! knowing. (<code>./run.sh mutants</code> takes minutes.)
//! </details>
//!
//! # Limits and caveats
//!
//! - Without `--data-dir` there is memory only: what a node had acknowledged and not passed on
//!   when it was killed is gone.
//! - The promise holds on a healthy network, and by a machine that has time for the
//!   nodes. Who gets no processor for a while misses its slot.
//! - The hub is a single point of delay, though not of failure: while it is away another node
//!   stands in for it. Only what the root decides, kafka's `send`, waits until it is back.
//! - Trust: nodes believe what their neighbours say, as far as it makes sense.
//! - Not here: what needs consensus (Maelstrom's `lin-kv`, `txn-list-append`).

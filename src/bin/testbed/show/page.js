'use strict';
(() => {
const D = JSON.parse(document.getElementById('data').textContent);
const $ = id => document.getElementById(id);
const el = (tag, props = {}, ...kids) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...kids);
  return node;
};
const fmt = (number, digits = 0) => number.toLocaleString('en-GB', {minimumFractionDigits: digits, maximumFractionDigits: digits}).replace(/,/g, '\u2009');
const sec = (us, digits = 3) => (us / 1e6).toFixed(digits) + ' s';
const ms = us => fmt(us / 1000, us < 10000 && us % 1000 ? 1 : 0) + ' ms';
const plural = (count, name) => fmt(count) + ' ' + name + (count === 1 ? '' : 's');
// The first index whose element is above x: all before are at most x.
const above = (sorted, x) => {
  let low = 0, high = sorted.length;
  while (low < high) { const middle = (low + high) >> 1; if (sorted[middle] <= x) low = middle + 1; else high = middle; }
  return low;
};

// ---- The model: sorted arrays, so that any moment is a few binary searches away.
const SEND = 0, RECV = 1, DROP = 2, ASK = 3, REPLY = 4, CUT = 5, HEAL = 6, KILL = 7, START = 8, PAUSE = 9, RESUME = 10;
const DELTA = 0, ACK = 1, AGAIN = 2, OTHER = 3, HOLE = 4, SYNC = 5;
const KINDS = ['delta', 'ack', 'retransmission', 'other message', 'request for a resend', 'digest'];
const INKS = ['delta', 'ack', 'again', 'other', 'hole', 'sync'];
const SIGNS = ['\u25CF', '\u25CB', '\u25C6', '\u25CF', '\u25BD', '\u25A0'];
// What spreads: a value that a client adds, or an item, shown by its number and its text.
const ITEM = D.item, ITEMS = ITEM + 's', Item = ITEM[0].toUpperCase() + ITEM.slice(1), Items = Item + 's';
const label = value => D.items && D.items[value] !== undefined ? D.items[value] : '' + value;
const numbered = value => ITEM + ' ' + value + (D.items ? ', ' + label(value) : '');
// The first kind of operation, and the others that count.
const FIRST = D.requests[3], LOAD = new Set(D.requests.slice(3, -1)), ADDS = D.items ? '' : FIRST;
const N = D.parent.length, M = D.messages, C = D.clients, COUNT = M.src.length;
const evTime = new Float64Array(D.events.t.length), evWhat = D.events.e, evIndex = new Int32Array(evTime.length);
const ids = new Float64Array(COUNT), sent = new Float64Array(COUNT), arrive = new Float64Array(COUNT).fill(Infinity);
const fate = new Uint8Array(COUNT);           // 0 under way at the end, 1 received, 2 dropped by a partition, 3 lost
const first = new Int32Array(COUNT + 1);      // where a message's values begin
const probe = new Uint8Array(COUNT);
const asked = new Float64Array(C.node.length), replied = new Float64Array(C.node.length).fill(Infinity);
const flights = [];                           // [message, arrival], by send time
const cuts = [];                              // {kind, start, end, pairs:Set}
const absences = Array.from({length: N}, () => []);    // of each node: {dead, start, end}
const troubles = [];                          // {dead, kind, nodes, start}
const absenceAt = (node, t) => absences[node].find(each => each.start <= t && t < each.end);
const name = node => 'n' + node;
for (let i = 0, id = 0; i < COUNT; i++) { id += M.id[i]; ids[i] = id; first[i + 1] = first[i] + M.count[i]; }
for (const i of M.probe) probe[i] = 1;
const isSegment = i => M.kind[i] !== OTHER && M.kind[i] !== SYNC;
const epochOf = i => M.epochs[M.epoch[i]], peerOf = i => M.epochs[M.peer[i]];
const namesHoles = i => M.missing[i] !== undefined;

const neighbours = Array.from({length: N}, () => []);
D.parent.forEach((parent, node) => { if (parent >= 0) { neighbours[node].push(parent); neighbours[parent].push(node); } });
neighbours.forEach(list => list.sort((a, b) => a - b));

// One end of a link, and every change of its marks (the module link explains them).
// `waits`: the values that it has not sent yet. `ahead`: what arrived behind a hole.
const links = new Map();
const newLink = (from, to) => ({from, to, t: [], ends: [], ackeds: [], sents: [], recvs: [], suspects: [],
  end: 0, acked: 0, sent: 0, recv: 0, suspect: 0, waits: new Set(), ahead: [], epoch: -1, peer: 0, heard: -1, fresh: false});
neighbours.forEach((list, node) => list.forEach(other => links.set(node * N + other, newLink(node, other))));
// Links beside the tree, while a hub is away: [who stands in, for whom, when items or digests left].
const ties = new Map();
const held = Array.from({length: N}, () => []);        // when each node learned something
const knows = Array.from({length: N}, () => new Set());
const spread = new Map();                              // value -> [[node, time, message or -1]...]
const known = [];                                      // when each value was first heard of
const backlog = {t: [0], all: [0], suspect: [0]};
let unackedNow = 0, suspectNow = 0;
// What a node notices: {t, end, node, what, peers, text}. From its own log, if that says whom it
// suspects; else from its messages, of which a probe is what only a suspect is sent.
const notes = [];
const NOTED = D.noticed, BELIEFS = D.beliefs;
const logged = [];
for (let k = 0, at = 0; k < NOTED.t.length; k++) { at += NOTED.t[k]; logged.push({t: at, node: NOTED.node[k], what: NOTED.names[NOTED.what[k]], peer: NOTED.peer[k], detail: NOTED.detail[k] || ''}); }
// How many neighbours each node suspects: [time, how many].
const doubts = Array.from({length: N}, () => [[0, 0]]);
// A batch: what waits for one direction of a node, from the first value to the departure.
const direction = (node, peers, down) => ({node, down, links: peers.map(peer => links.get(node * N + peer)), queue: [], head: 0, sent: -1, size: 0, batches: []});
const ups = [], downs = [];
for (let node = 0; node < N; node++) {
  const parent = D.parent[node];
  ups.push(direction(node, neighbours[node].filter(other => other === parent), false));
  downs.push(direction(node, neighbours[node].filter(other => other !== parent), true));
}
const toward = (node, other) => (other === D.parent[node] ? ups : downs)[node];
// The slots that each hub announces: {t, at, every}.
const announced = Array.from({length: N}, () => []);
const PROMISE = (() => { const row = D.settings.find(each => each[0] === 'promised within'); return row ? parseInt(row[1], 10) * 1000 : Infinity; })();
{
  const note = (link, t) => {
    const last = link.t.length - 1, at = last >= 0 && link.t[last] === t ? last : last + 1;
    link.t[at] = t; link.ends[at] = link.end; link.ackeds[at] = link.acked;
    link.sents[at] = link.sent; link.recvs[at] = link.recv; link.suspects[at] = link.suspect;
  };
  const change = (link, t, work) => {
    const before = link.end - link.acked, doubted = link.suspect, was = doubted ? before : 0;
    work(link);
    link.end = Math.max(link.sent + link.waits.size, link.acked);
    const after = link.end - link.acked;
    unackedNow += after - before; suspectNow += (link.suspect ? after : 0) - was;
    note(link, t);
    if (link.suspect !== doubted) {
      const list = doubts[link.from];
      list.push([t, list[list.length - 1][1] + (link.suspect ? 1 : -1)]);
      if (!BELIEFS && absenceAt(link.from, t) === undefined) notice(t, link.from, link.suspect ? 'suspect' : 'healthy', link.to);
      settle(toward(link.from, link.to), t);
    }
    const last = backlog.t.length - 1, at = backlog.t[last] === t ? last : last + 1;
    backlog.t[at] = t; backlog.all[at] = unackedNow; backlog.suspect[at] = suspectNow;
  };
  const notice = (t, node, what, peer, detail) => notes.push({t, end: t, node, what, peers: peer >= 0 ? [peer] : [], detail: detail || ''});
  // Values that wait for no healthy link any more have left, or wait for a suspect alone.
  const settle = (dir, t) => {
    let count = 0, since = t;
    for (; dir.head < dir.queue.length; dir.head++) {
      const [value, at] = dir.queue[dir.head];
      if (dir.links.some(link => !(dir.down && link.suspect) && link.waits.has(value))) break;
      // Of other items some never leave: a newer one takes their place.
      if (!D.items || at >= t - PROMISE - 50000) { count++; since = Math.min(since, at); }
    }
    const end = D.items ? t : dir.sent, last = dir.batches[dir.batches.length - 1];
    // One departure goes to one neighbour after the other, and each is spared its own values.
    if (count && dir.sent >= 0 && last && since <= last.end && end - last.end < 1000) { last.start = Math.min(last.start, since); last.end = end; last.count = D.items ? Math.max(last.count, dir.size) : last.count + count; }
    else if (count && dir.sent >= 0) dir.batches.push({start: since, end, count: D.items ? dir.size : count, node: dir.node, down: dir.down});
    if (count) { dir.sent = -1; dir.size = 0; }
  };
  // Who dies takes along what waits there.
  const bury = (dir, t) => {
    settle(dir, t);
    const queue = dir.queue.slice(dir.head);
    if (queue.length) dir.batches.push({start: queue[0][1], end: t, count: queue.length, node: dir.node, down: dir.down, dies: true});
    dir.head = dir.queue.length; dir.sent = -1; dir.size = 0;
    for (const link of dir.links) change(link, t, link => link.waits.clear());
  };
  const wait = (link, value, t) => {
    const dir = toward(link.from, link.to), last = dir.queue[dir.queue.length - 1];
    if (!last || last[0] !== value) dir.queue.push([value, t]);
    change(link, t, link => link.waits.add(value));
  };
  const learn = (node, value, t, source, message) => {
    if (knows[node].has(value)) return;
    knows[node].add(value);
    held[node].push(t);
    const list = spread.get(value);
    if (list) list.push([node, t, message]); else { spread.set(value, [[node, t, message]]); known.push(t); }
    if (!D.foreign) for (const other of neighbours[node]) if (other !== source) wait(links.get(node * N + other), value, t);
  };
  // A node says something: what waited for this neighbour leaves.
  const says = (i, t) => {
    const link = links.get(M.src[i] * N + M.dest[i]);
    // What a node made itself is first seen when it leaves.
    if (D.items) for (let k = first[i]; k < first[i + 1]; k++) learn(M.src[i], M.values[k], t, -1, -1);
    if (M.kind[i] === SYNC) notice(t, M.src[i], 'sync', M.dest[i]);
    if (!link && !D.foreign && M.dest[i] < N && M.kind[i] !== ACK && M.kind[i] !== OTHER) {
      const a = Math.min(M.src[i], M.dest[i]), b = Math.max(M.src[i], M.dest[i]);
      if (!ties.has(a * N + b)) ties.set(a * N + b, [a, b, []]);
      ties.get(a * N + b)[2].push(t);
    }
    if (!link || !isSegment(i)) return;
    if (namesHoles(i)) notice(t, M.src[i], 'hole', M.dest[i]);
    const dir = toward(link.from, link.to);
    change(link, t, link => {
      // A new incarnation of either end: this stream begins here.
      const again = (link.epoch >= 0 && link.epoch !== epochOf(i)) || (link.peer > 0 && peerOf(i) > 0 && link.peer !== peerOf(i));
      link.epoch = epochOf(i); link.peer = peerOf(i);
      if (again || M.offset[i] < link.acked) link.acked = link.sent = M.offset[i];
      if (!BELIEFS && probe[i]) link.suspect = 1;
      if (!M.count[i]) return;
      link.sent = Math.max(link.sent, M.offset[i] + M.count[i]);
      dir.size = Math.max(dir.size, M.count[i]);
      const head = dir.queue[dir.head], had = head && link.waits.has(head[0]);
      if (D.items) link.waits.clear(); else for (let k = first[i]; k < first[i + 1]; k++) link.waits.delete(M.values[k]);
      if (had && !link.waits.has(head[0])) dir.sent = t;
    });
    if (M.count[i]) settle(dir, t);
    const slot = M.next[i];
    if (slot) {
      const list = announced[M.src[i]], last = list[list.length - 1], at = t + slot[0] * 1000;
      if (!last || Math.abs(last.at - at) > 5000) list.push({t, at, every: Math.max(1, slot[1]) * 1000});
    }
  };
  const hears = (i, t) => {
    const node = M.dest[i], link = links.get(node * N + M.src[i]);
    if (link && isSegment(i)) change(link, t, link => {
      const mine = !(peerOf(i) > 0 && link.epoch > 0 && peerOf(i) !== link.epoch);
      if (mine && M.ack[i] > link.acked) {
        link.acked = Math.min(M.ack[i], link.end);
        if (!BELIEFS) link.suspect = 0;
        link.sent = Math.max(link.sent, link.acked);
      }
      // Of a new incarnation nothing is suspected yet.
      if (!BELIEFS && link.heard >= 0 && link.heard !== epochOf(i)) link.suspect = 0;
      if (link.fresh || (link.heard >= 0 && link.heard !== epochOf(i))) { link.recv = M.offset[i]; link.ahead = []; }
      link.heard = epochOf(i); link.fresh = false;
      link.ahead.push([M.offset[i], M.offset[i] + M.count[i]]);
      for (let moved = true; moved;) {
        moved = false;
        link.ahead = link.ahead.filter(([from, to]) => { if (from > link.recv) return true; if (to > link.recv) { link.recv = to; moved = true; } return false; });
      }
    });
    for (let k = first[i]; k < first[i + 1]; k++) learn(node, M.values[k], t, M.src[i], i);
  };
  // A node that dies forgets whom it suspects.
  const dies = (node, t) => { bury(ups[node], t); bury(downs[node], t); for (const other of neighbours[node]) { const link = links.get(node * N + other); link.fresh = true; if (link.suspect) change(link, t, link => { link.suspect = 0; }); } };
  const believe = ({t, node, what, peer, detail}) => {
    if (BELIEFS || !['suspect', 'healthy'].includes(what)) notice(t, node, what, peer, detail);
    const link = links.get(node * N + peer), suspect = {suspect: 1, healthy: 0, restarted: 0}[what];
    if (BELIEFS && link && suspect !== undefined && link.suspect !== suspect) change(link, t, link => { link.suspect = suspect; });
  };
  let t = 0, sends = 0, asks = 0, cutting = 0, next = 0, trouble = 0, heard = 0;
  const leave = (node, dead, t) => { back(node, t); absences[node].push({dead, start: t, end: Infinity}); };
  const back = (node, t) => { const last = absences[node][absences[node].length - 1]; if (last && last.end === Infinity) last.end = t; };
  const nth = [];
  for (let k = 0; k < evTime.length; k++) {
    t += D.events.t[k]; evTime[k] = t;
    const what = evWhat[k];
    const i = what === SEND ? sends++ : what === ASK ? asks++ : what === CUT ? cutting++ : what === HEAL ? cutting - 1 : what >= KILL ? trouble++ : D.events.i[next++];
    evIndex[k] = i;
    while (heard < logged.length && logged[heard].t <= t) believe(logged[heard++]);
    if (what === SEND) {
      sent[i] = t; nth[i] = -1;
      says(i, t);
    } else if (what === RECV || what === DROP) {
      if (nth[i] === -1) { arrive[i] = t; fate[i] = what === RECV ? 1 : t === sent[i] && D.latency > 0 ? 3 : 2; }
      nth[i] = 1;
      flights.push([i, t]);
      if (what === RECV) hears(i, t);
    } else if (what === ASK) {
      asked[i] = t;
      if (absenceAt(C.node[i], t)) continue;      // It waits for the node, or is lost.
      if (D.requests[C.what[i]] === ADDS) learn(C.node[i], C.value[i], t, -1, -1);
      // What becomes of another request is not known yet; it may leave with the next delta.
      else if (D.items && D.requests[C.what[i]] === FIRST && !D.foreign) for (const other of neighbours[C.node[i]]) { const link = links.get(C.node[i] * N + other); link.waits.add('c' + i); toward(C.node[i], other).queue.push(['c' + i, t]); }
    } else if (what === REPLY) {
      replied[i] = t;
      if (D.requests[C.what[i]] === ADDS) learn(C.node[i], C.value[i], t, -1, -1);
    }
    else if (what === CUT) {
      const pairs = new Set(), flat = D.cuts[i].pairs;
      for (let k = 0; k < flat.length; k += 2) pairs.add(flat[k] * N + flat[k + 1]);
      cuts.push({kind: D.cuts[i].kind, start: t, end: Infinity, pairs});
    } else if (what === HEAL && cuts[i]) cuts[i].end = t;
    else if (what === KILL || what === PAUSE) {
      troubles.push({dead: what === KILL, kind: D.nodes[i].kind, nodes: D.nodes[i].nodes, start: t});
      for (const node of D.nodes[i].nodes) { leave(node, what === KILL, t); if (what === KILL) dies(node, t); }
    } else if (what === START || what === RESUME) for (const node of D.nodes[i].nodes) {
      if (what === START) notice(t, node, 'start', -1);
      const last = absences[node][absences[node].length - 1];
      if (last && last.dead === (what === START)) back(node, t);
    }
  }
  while (heard < logged.length) believe(logged[heard++]);
  for (let i = 0; i < COUNT; i++) if (nth[i] === -1) flights.push([i, Infinity]);
  flights.sort((a, b) => sent[a[0]] - sent[b[0]] || a[0] - b[0]);
}
const flightStart = Float64Array.from(flights, flight => sent[flight[0]]);
// A lost message goes at once; it is drawn for a moment, so that one sees it go.
const LOST_SHOWN = Math.max(D.latency, 20000) * .4;
// Client messages take no time at all; they are drawn for this long.
const CLIENT_SHOWN = 70000;
const until = flight => fate[flight[0]] === 3 ? sent[flight[0]] + LOST_SHOWN : flight[1];
let longest = LOST_SHOWN;
for (const flight of flights) if (until(flight) < Infinity) longest = Math.max(longest, until(flight) - sent[flight[0]]);
const END = Math.max(evTime.length ? evTime[evTime.length - 1] : 0, D.story ? D.story.sentences[D.story.sentences.length - 1][0] : 0, 1e6);
const linkAt = (link, t) => {
  const k = above(link.t, t) - 1;
  return k < 0 ? {unacked: 0, flight: 0, unsent: 0, acked: 0, sent: 0, end: 0, recv: 0, suspect: 0} : {
    unacked: link.ends[k] - link.ackeds[k], flight: Math.max(0, link.sents[k] - link.ackeds[k]), unsent: link.ends[k] - link.sents[k],
    acked: link.ackeds[k], sent: link.sents[k], end: link.ends[k], recv: link.recvs[k], suspect: link.suspects[k]};
};
// What comes for an absent node waits in a run, ten messages at most, and is dropped in a story.
const waited = i => fate[i] === 1 && arrive[i] - sent[i] > D.latency && absences[M.dest[i]].some(each => each.end > sent[i] && each.end <= arrive[i]);
const cutAt = t => cuts.find(cut => cut.start <= t && t < cut.end);
const valuesOf = i => M.values.slice(first[i], first[i + 1]);
const carries = (i, value) => { for (let k = first[i]; k < first[i + 1]; k++) if (M.values[k] === value) return true; return false; };
const suspectAt = (from, to, t) => { const link = links.get(from * N + to), k = link ? above(link.t, t) - 1 : -1; return k >= 0 && !!link.suspects[k]; };
const suspectsAt = (node, t) => neighbours[node].filter(other => suspectAt(node, other, t));

// So long after its last delta or digest a link to a stand-in is drawn. Unit: microseconds; longer
// than the gaps of a small load, and not so long that it outlives its hub's return.
const TIE_SHOWN = 2e6;
const tiesAt = t => [...ties.values()].filter(([, , times]) => { const k = above(times, t); return k > 0 && t - times[k - 1] < TIE_SHOWN; });

// ---- What was decided, and noticed: the marks in the diagram, and the steps through the run.
const SIGN = {suspect: '?', healthy: '\u2713', news: '!', restarted: '\u21BB', start: '\u21BB', raised: '\u21BB', restored: '\u21BB', sync: '\u2261', 'promise-broken': 'P', 'promise-kept': 'P', 'stand-in': 'S', hole: '\u25BD'};
const namesOf = list => list.length > 6 ? list.slice(0, 5).map(name).join(', ') + ' and ' + (list.length - 5) + ' more' : list.map(name).join(', ');
const noteText = note => {
  const who = name(note.node), peers = namesOf(note.peers), one = note.peers.length < 2, detail = note.detail ? ' (' + note.detail + ')' : '';
  switch (note.what) {
    case 'suspect': return who + ' suspects ' + peers + ': no answer in time';
    case 'healthy': return who + ' has heard from ' + peers + ': healthy again';
    case 'news': return 'Good news at ' + who + ': ' + peers + (one ? ' is' : ' are') + ' healthy again, so the other ' + plural(note.others, 'suspect') + (note.others === 1 ? ' is' : ' are') + ' probed, too';
    case 'stand-in': return who + ' has found ' + peers + ' while the hub is away: ' + name(Math.min(note.node, ...note.peers)) + ' stands in for it';
    case 'restarted': return who + ' sees a new incarnation of ' + peers;
    case 'start': return who + ' is started again';
    case 'raised': return who + ' hears from ' + peers + ' of a later incarnation of its own: its clock was set back, and it begins another one' + detail;
    case 'restored': return who + ' has read its journal' + detail;
    case 'sync': return who + ' tells ' + peers + ' in a digest (sync) what it holds';
    case 'hole': return who + ' names a hole, and asks ' + peers + ' for a resend';
    case 'promise-broken': return who + ': the network takes longer than the promise, so all departs at once' + detail;
    case 'promise-kept': return who + ': the network leaves something of the promise again' + detail;
    default: return who + ' notes ' + note.what + (note.peers.length ? ' of ' + peers : '') + detail;
  }
};
{
  // Good news: who hears of one suspect tries the others.
  for (const note of notes) if (note.what === 'healthy') {
    const others = suspectsAt(note.node, note.t).filter(other => !note.peers.includes(other));
    if (others.length) { note.what = 'news'; note.others = others.length; }
  }
  notes.sort((a, b) => a.t - b.t);
  // What a node notices of several neighbours at once is one thing.
  const open = new Map(), joined = [];
  for (const note of notes) {
    const key = note.node + note.what, last = open.get(key);
    if (last && note.peers.length && note.t - last.end <= 20000) { last.end = note.t; if (!last.peers.includes(note.peers[0])) last.peers.push(note.peers[0]); last.others = note.others; }
    else { open.set(key, note); joined.push(note); }
  }
  notes.length = 0; notes.push(...joined);
}
const noteTimes = Float64Array.from(notes, note => note.t);
const departures = D.foreign ? [] : downs.flatMap(dir => dir.batches).filter(batch => !batch.dies).sort((a, b) => a.end - b.end);
const batchText = batch => name(batch.node) + (batch.dies ? ' dies, and with it what waits there: ' : batch.down ? '\u2019s batch departs: ' : ' sends what has waited: ') + plural(batch.count, ITEM) + ', the first ' + (batch.end - batch.start >= 1000 ? (batch.dies ? 'since ' : 'after ') + ms(batch.end - batch.start) : 'at once');
// A hub's slots: those that it announced, until it says otherwise; three at most that nobody used.
const slotsOf = announced.map(list => list.flatMap((each, k) => {
  const until = list[k + 1] ? list[k + 1].t + 2000 : Infinity, slots = [];
  for (let at = each.at; slots.length < 4 && at <= until; at += each.every) slots.push(at);
  return slots;
}).sort((a, b) => a - b));
const decisions = [];                         // {t, text, node}
{
  for (const batch of departures) decisions.push({t: batch.end, text: batchText(batch), node: batch.node, peers: []});
  for (const note of notes) decisions.push({t: note.t, text: noteText(note), node: note.node, peers: note.peers});
  evWhat.forEach((what, k) => { if (what >= CUT && what !== START) decisions.push({t: evTime[k], k, node: -1, peers: []}); });
  decisions.sort((a, b) => a.t - b.t);
}
const decisionTimes = Float64Array.from(decisions, each => each.t);

// ---- What is shown now.
const state = {t: 0, cursor: -1, playing: false, speed: .25, message: -1, client: -1, node: -1, value: null, sentence: -1, decision: -1, note: -1, hub: '', standsIn: [], all: false, allNotes: false, frames: 0};
const still = matchMedia('(prefers-reduced-motion: reduce)');
let ink = {};
const readInks = () => {
  const probe = el('i'); document.body.append(probe);
  for (const key of ['page', 'panel', 'ink', 'soft', 'line', 'faint', 'edge', 'delta', 'ack', 'again', 'client', 'other', 'hole', 'sync', 'cut', 'shade', 'hold']) {
    probe.style.color = 'var(--' + key + ')'; ink[key] = getComputedStyle(probe).color;
  }
  probe.remove();
};
// The page for a talk: one screen, drawn as on one of 1280 x 800 and enlarged by `zoom`.
let talk = false, zoom = 1;
// Fits a canvas to its box and the screen's pixels; gives its context and size.
const surface = canvas => {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(box.width / zoom)), height = Math.max(1, Math.round(box.height / zoom)), scale = ratio * zoom;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) { canvas.width = Math.round(width * scale); canvas.height = Math.round(height * scale); }
  const c = canvas.getContext('2d');
  c.setTransform(scale, 0, 0, scale, 0, 0);
  c.clearRect(0, 0, width, height);
  return [c, width, height];
};
// Where on a canvas the mouse is.
const pointer = (event, canvas) => { const box = canvas.getBoundingClientRect(); return [(event.clientX - box.left) / zoom, (event.clientY - box.top) / zoom]; };
const FONT = ' system-ui, -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", sans-serif';
const tick = (span, most) => {
  const least = span / most, power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].find(step => step * power >= least) * power;
};
const shadeCuts = (c, x, top, bottom, left, right) => {
  for (const cut of cuts) {
    const from = Math.max(left, x(cut.start)), to = Math.min(right, x(Math.min(cut.end, END)));
    if (to <= from) continue;
    c.fillStyle = ink.shade; c.fillRect(from, top, to - from, bottom - top);
  }
};

// ---- The tree, drawn radially: the root in the middle, hubs around it, leaves outside.
const place = new Float64Array(2 * N);
let leafRoom = 1;
{
  const children = D.parent.map(() => []);
  let root = 0;
  D.parent.forEach((parent, node) => { if (parent >= 0) children[parent].push(node); else root = node; });
  const hubs = children[root].filter(node => children[node].length);
  const leaves = children[root].filter(node => !children[node].length);
  const slots = N - 1 - hubs.length || 1;
  const put = (node, slot, radius) => {
    const angle = (slot / slots - .25) * 2 * Math.PI;
    place[2 * node] = Math.cos(angle) * radius; place[2 * node + 1] = Math.sin(angle) * radius;
  };
  let slot = 0;
  for (const leaf of leaves) put(leaf, slot++, .84);
  for (const hub of hubs) { put(hub, slot + (children[hub].length - 1) / 2, .44); for (const leaf of children[hub]) put(leaf, slot++, .84); }
  leafRoom = 2 * Math.PI * .84 / slots;
}
let treeGeometry = {radius: 10, scale: 1, cx: 0, cy: 0};
let marks = [];                               // what can be clicked: {x, y, message or client}
const shape = (c, what, x, y, size) => {
  c.beginPath();
  if (what === 'again') { c.moveTo(x, y - size * 1.25); c.lineTo(x + size * 1.25, y); c.lineTo(x, y + size * 1.25); c.lineTo(x - size * 1.25, y); c.closePath(); c.fill(); }
  else if (what === 'client') { c.moveTo(x, y - size); c.lineTo(x + size, y + size * .8); c.lineTo(x - size, y + size * .8); c.closePath(); c.fill(); }
  else if (what === 'ack') { c.arc(x, y, size * .85, 0, 7); c.lineWidth = 2; c.stroke(); }
  else if (what === 'hole') { c.moveTo(x - size * 1.1, y - size * .8); c.lineTo(x + size * 1.1, y - size * .8); c.lineTo(x, y + size * 1.1); c.closePath(); c.lineWidth = 2; c.stroke(); }
  else if (what === 'sync') { c.rect(x - size * .9, y - size * .9, size * 1.8, size * 1.8); c.fill(); }
  else if (what === 'drop') { c.moveTo(x - size, y - size); c.lineTo(x + size, y + size); c.moveTo(x + size, y - size); c.lineTo(x - size, y + size); c.lineWidth = 2; c.stroke(); }
  else { c.arc(x, y, size, 0, 7); c.fill(); }
};
// A round badge with a sign in it.
const badge = (c, sign, x, y, size, strong) => {
  c.setLineDash([]); c.globalAlpha = 1; c.fillStyle = strong ? ink.ink : ink.panel; c.strokeStyle = ink.ink; c.lineWidth = 1.2;
  c.beginPath(); c.arc(x, y, size, 0, 7); c.fill(); c.stroke();
  c.fillStyle = strong ? ink.panel : ink.ink; c.font = '700 ' + Math.round(size * 1.6) + 'px' + FONT; c.textAlign = 'center'; c.textBaseline = 'middle';
  c.fillText(sign, x, y + .5);
};
const CUT_AT = .56;                           // where on an edge, seen from the sender, a cut stops a message
const batchAt = (batches, t) => { let low = 0, high = batches.length; while (low < high) { const middle = (low + high) >> 1; if (batches[middle].end <= t) low = middle + 1; else high = middle; } return batches[low] && batches[low].start <= t ? batches[low] : undefined; };
// Of each node the time to its departure, a ring that shrinks, and what waits there for the
// neighbour that lacks most: a stack.
const drawWaiting = (c, t, X, Y, rim) => {
  for (let node = 0; node < N; node++) {
    if (absenceAt(node, t)) continue;
    const x = X(node), y = Y(node), r = rim(node) + 5;
    const batch = batchAt(downs[node].batches, t) || batchAt(ups[node].batches, t);
    if (batch && batch.end - batch.start >= 1000) {
      c.lineWidth = 6; c.lineCap = 'butt';
      c.strokeStyle = ink.faint; c.beginPath(); c.arc(x, y, r, 0, 7); c.stroke();
      c.strokeStyle = ink.delta; c.beginPath(); c.arc(x, y, r, -Math.PI / 2, Math.PI * (2 * (batch.end - t) / (batch.end - batch.start) - .5)); c.stroke();
    }
    const count = Math.max(0, ...neighbours[node].map(other => linkAt(links.get(node * N + other), t).unsent));
    if (!count) continue;
    // A leaf's stack lies on the way to its hub, the root's between two of its leaves.
    const turn = (.5 / Math.max(1, N - 1) - .25) * 2 * Math.PI, away = r + 18, own = D.parent[node] >= 0;
    const to = own ? Math.atan2(Y(D.parent[node]) - y, X(D.parent[node]) - x) : turn, bars = Math.min(5, count);
    const left = x + Math.cos(to) * away - 10, low = y + Math.sin(to) * away + bars * 4;
    c.fillStyle = ink.panel; c.fillRect(left - 2, low - 8 * bars - 2, 24, 8 * bars + 4); c.lineWidth = 1.2;
    for (let k = 0; k < bars; k++) { c.fillStyle = ink.hold; c.strokeStyle = ink.delta; c.beginPath(); c.rect(left, low - 8 * k - 7, 20, 6); c.fill(); c.stroke(); }
    if (count > bars) { c.font = '600 16px' + FONT; c.textAlign = 'left'; c.textBaseline = 'middle'; c.fillStyle = ink.ink; c.strokeStyle = ink.panel; c.lineWidth = 4; c.strokeText(count, left + 25, low - bars * 4); c.fillText(count, left + 25, low - bars * 4); }
  }
};
const drawTree = () => {
  const [c, width, height] = surface($('tree')), t = state.t;
  state.hub = '';
  const head = width < 480 ? 20 : 0;      // on a phone the corners' words need room above
  // In a talk the star is 300 pixels wide, with room for words of 16 around it.
  const cx = width / 2, cy = height / 2 + head, scale = talk ? Math.max(150, 150 / (.84 + .36 * leafRoom)) : Math.min(width, height - 2 * head) / 2 - 12;
  const radius = Math.max(1.5, talk ? Math.min(24, leafRoom * scale * .36) : Math.min(20, leafRoom * scale * .3, scale * .09));
  treeGeometry = {radius, scale, cx, cy};
  const X = node => cx + place[2 * node] * scale, Y = node => cy + place[2 * node + 1] * scale;
  const rim = node => radius * (neighbours[node].length > 1 || D.parent[node] < 0 ? 1.3 : 1) + 2;
  const cut = cutAt(t), picked = state.value === null ? null : spread.get(state.value) || [];
  const route = new Set();
  const has = new Map();
  if (picked) for (const [node, when, message] of picked) if (when <= t) { has.set(node, when); if (message >= 0) route.add(M.src[message] * N + node); }
  // Edges.
  c.lineCap = 'round';
  for (let node = 0; node < N; node++) {
    const up = D.parent[node];
    if (up < 0) continue;
    const isCut = cut && (cut.pairs.has(node * N + up) || cut.pairs.has(up * N + node));
    const isRoute = route.has(node * N + up) || route.has(up * N + node);
    const mine = state.node >= 0 && (node === state.node || up === state.node);
    c.strokeStyle = isCut ? ink.cut : isRoute ? ink.delta : mine ? ink.soft : ink.edge;
    c.globalAlpha = isCut ? .75 : isRoute || mine ? 1 : .8;
    c.lineWidth = isRoute ? 2.5 : mine ? 1.8 : 1.1;
    c.setLineDash(isCut ? [3, 5] : []);
    c.beginPath(); c.moveTo(X(up), Y(up)); c.lineTo(X(node), Y(node)); c.stroke();
    if (isCut) {
      // A bar across the edge.
      const dx = X(node) - X(up), dy = Y(node) - Y(up), length = Math.hypot(dx, dy) || 1, size = Math.min(7, radius * .6);
      const mx = (X(up) + X(node)) / 2, my = (Y(up) + Y(node)) / 2;
      c.setLineDash([]); c.lineWidth = 2.5; c.globalAlpha = 1;
      c.beginPath(); c.moveTo(mx - dy / length * size, my + dx / length * size); c.lineTo(mx + dy / length * size, my - dx / length * size); c.stroke();
    }
  }
  c.setLineDash([]); c.globalAlpha = 1;
  // Links to a stand-in: arcs, so that none hides behind an edge of the tree.
  const beside = tiesAt(t), standsIn = new Set(beside.map(([node]) => node));
  state.standsIn = [...standsIn];
  c.strokeStyle = ink.delta; c.lineWidth = 1.4;
  for (const [a, b] of beside) {
    const dx = X(b) - X(a), dy = Y(b) - Y(a);
    c.beginPath(); c.moveTo(X(a), Y(a)); c.quadraticCurveTo((X(a) + X(b)) / 2 - dy * .12, (Y(a) + Y(b)) / 2 + dx * .12, X(b), Y(b)); c.stroke();
  }
  // What the nodes believe: each end of an edge for itself, next to the one that believes it.
  let doubted = 0;
  if (!D.foreign) for (let node = 0; node < N; node++) if (D.parent[node] >= 0) for (const [from, to] of [[node, D.parent[node]], [D.parent[node], node]]) {
    if (!suspectAt(from, to, t)) continue;
    doubted++;
    const dx = X(to) - X(from), dy = Y(to) - Y(from), length = Math.hypot(dx, dy) || 1, start = rim(from) / length;
    const along = D.parent[from] < 0 && N > 16 ? (talk ? .62 : .36) : Math.max(start + 9 / length, .26);
    c.strokeStyle = ink.ink; c.lineWidth = 1.6; c.setLineDash([7, 3, 2, 3]);
    c.beginPath(); c.moveTo(X(from) + dx * start, Y(from) + dy * start); c.lineTo(X(from) + dx * .48, Y(from) + dy * .48); c.stroke();
    if (radius >= 6) badge(c, '?', X(from) + dx * along, Y(from) + dy * along, talk ? 10 : Math.min(6.5, radius * .5), false);
  }
  c.setLineDash([]); state.doubted = doubted;
  // Nodes.
  const total = above(known, t);
  const away = new Uint8Array(N);             // cut off from the root
  if (cut) for (let node = 0; node < N; node++) {
    let at = node;
    while (D.parent[at] >= 0) { const up = D.parent[at]; if (cut.pairs.has(at * N + up) || cut.pairs.has(up * N + at)) { away[node] = 1; break; } at = up; }
  }
  const labels = radius >= 8 || talk, named = [];
  for (let node = 0; node < N; node++) {
    const x = X(node), y = Y(node), count = above(held[node], t), hub = neighbours[node].length > 1 || D.parent[node] < 0;
    const size = hub ? radius * 1.3 : radius;
    const level = picked ? (has.has(node) ? 1 : 0) : total ? count / total : 0;
    const absence = absenceAt(node, t);
    c.fillStyle = absence ? ink.edge : ink.panel; c.beginPath(); c.arc(x, y, size, 0, 7); c.fill();
    if (absence) {
      // Dead: a cross. Paused: two bars, as on a player.
      const s = size * .62;
      c.strokeStyle = ink.cut; c.lineWidth = absence.dead ? 2 : 2.6; c.beginPath();
      if (absence.dead) { c.moveTo(x - s, y - s); c.lineTo(x + s, y + s); c.moveTo(x + s, y - s); c.lineTo(x - s, y + s); }
      else for (const side of [-.4, .4]) { c.moveTo(x + side * s, y - s); c.lineTo(x + side * s, y + s); }
      c.stroke();
    } else if (level > 0) {
      const half = Math.acos(1 - 2 * Math.min(1, level));
      c.fillStyle = ink.hold; c.beginPath(); c.arc(x, y, size, Math.PI / 2 - half, Math.PI / 2 + half); c.closePath(); c.fill();
    }
    c.lineWidth = node === state.node ? 3 : 1.4;
    c.strokeStyle = node === state.node ? ink.ink : away[node] ? ink.cut : picked && has.has(node) ? ink.delta : ink.soft;
    c.setLineDash(away[node] && node !== state.node ? [3, 3] : []);
    c.beginPath(); c.arc(x, y, size, 0, 7); c.stroke(); c.setLineDash([]);
    if (standsIn.has(node)) { c.strokeStyle = ink.delta; c.lineWidth = 2; c.beginPath(); c.arc(x, y, size + 3, 0, 7); c.stroke(); }
    if (state.decision >= 0 && decisions[state.decision].node === node) { c.strokeStyle = ink.ink; c.lineWidth = 2; c.beginPath(); c.arc(x, y, size + 5, 0, 7); c.stroke(); }
    // In a talk a name that has no room in its circle stands beside it, if the node has a lane.
    const outside = talk && size < 14;
    if (!labels || (outside && !laneOf.has(node))) continue;
    c.fillStyle = ink.ink; c.font = '600 ' + (talk ? 16 : Math.round(Math.max(9, size * .68))) + 'px' + FONT; c.textAlign = 'center'; c.textBaseline = 'middle';
    if (!outside) c.fillText(name(node), x, y + .5);
    // Beside it: what it lacks, or when the picked value came.
    const lack = picked ? (has.has(node) ? '+' + Math.round((has.get(node) - picked[0][1]) / 1000) : '') : total > count ? '\u2212' + (total - count) : '';
    const label = outside ? name(node) : lack;
    if (!label) continue;
    const out = Math.hypot(place[2 * node], place[2 * node + 1]) || 1;
    c.font = '500 ' + (talk ? 16 : radius < 13 ? 10 : 11.5) + 'px' + FONT; c.fillStyle = picked ? ink.delta : away[node] ? ink.cut : ink.soft;
    const lean = place[2 * node] / out;
    c.textAlign = D.parent[node] < 0 || Math.abs(lean) < .3 ? 'center' : lean > 0 ? 'left' : 'right';
    const lx = D.parent[node] < 0 ? x : x + lean * (size + 5), ly = D.parent[node] < 0 ? y + size + (talk ? 16 : 10) : y + place[2 * node + 1] / out * (size + 10);
    // Where nodes are dense the next name has no room.
    const middle = lx + (c.textAlign === 'left' ? 15 : c.textAlign === 'right' ? -15 : 0);
    if (outside && named.some(([x, y]) => Math.abs(x - middle) < 34 && Math.abs(y - ly) < 18)) continue;
    if (outside) named.push([middle, ly]);
    c.strokeStyle = ink.panel; c.lineWidth = 3; c.lineJoin = 'round'; c.strokeText(label, lx, ly); c.fillText(label, lx, ly);
  }
  if (talk && laneOf.size < N) { c.fillStyle = ink.soft; c.font = '16px' + FONT; c.textAlign = 'left'; c.textBaseline = 'alphabetic'; c.fillText('Lanes: ' + laneOf.size + ' of ' + N + ' nodes', 2, height - 6); }
  // Messages.
  marks = [];
  const size = talk ? (radius < 14 ? 5 : 7) : Math.max(2.5, Math.min(5, radius * .34));
  const from = above(flightStart, t - longest - 1), to = above(flightStart, t);
  for (let k = from; k < to; k++) {
    const i = flights[k][0], end = until(flights[k]);
    if (end <= t) continue;
    const duration = end === Infinity || waited(i) ? Math.max(D.latency, 1) : end - sent[i];
    let way = Math.min(1, (t - sent[i]) / duration), dying = 0;
    if (fate[i] === 3) { dying = way; way *= .3; }
    if (fate[i] === 2 && way > CUT_AT) { dying = (way - CUT_AT) / (1 - CUT_AT); way = CUT_AT - .06; }
    const a = M.src[i], b = M.dest[i];
    // Each direction keeps to its right, so that two messages do not hide each other.
    // It goes from rim to rim, so that it does not cover a name.
    const dx = X(b) - X(a), dy = Y(b) - Y(a), length = Math.hypot(dx, dy) || 1, side = 3.2;
    const start = rim(a) / length, along = start + (1 - start - rim(b) / length) * way;
    const x = X(a) + dx * along - dy / length * side, y = Y(a) + dy * along + dx / length * side;
    const other = picked && !carries(i, state.value);
    c.globalAlpha = (other ? .16 : 1) * (1 - dying * .85);
    c.fillStyle = c.strokeStyle = dying ? ink.cut : ink[INKS[M.kind[i]]];
    shape(c, dying ? 'drop' : INKS[M.kind[i]], x, y, M.kind[i] === ACK ? size * .9 : size + Math.min(3, Math.log2(1 + M.count[i]) * .6));
    c.globalAlpha = 1;
    if (i === state.message) { c.strokeStyle = ink.ink; c.lineWidth = 2; c.beginPath(); c.arc(x, y, size + 7, 0, 7); c.stroke(); }
    marks.push({x, y, message: i});
  }
  if (talk && !D.foreign) drawWaiting(c, t, X, Y, rim);
  // Clients: a request comes from outside, an answer goes there.
  const clientFrom = above(asked, t - CLIENT_SHOWN), clientTo = above(asked, t);
  c.fillStyle = ink.client;
  for (let i = clientFrom; i < clientTo; i++) {
    const kind = D.requests[C.what[i]];
    if (!LOAD.has(kind)) continue;
    const node = C.node[i], age = still.matches ? .5 : (t - asked[i]) / CLIENT_SHOWN;
    let ux = place[2 * node], uy = place[2 * node + 1], out = Math.hypot(ux, uy);
    if (!out) { ux = .5; uy = -.87; out = 1; }
    const distance = radius * (kind === FIRST ? 2 - age : 1 + age) + 4;
    // A little to the side, where the number is not.
    [ux, uy] = [ux / out * .8 - uy / out * .6, uy / out * .8 + ux / out * .6];
    const x = X(node) + ux * distance, y = Y(node) + uy * distance;
    c.globalAlpha = (picked && !(kind === ADDS && C.value[i] === state.value) ? .15 : 1) * (kind !== FIRST ? .55 : 1) * (1 - age * .6);
    shape(c, 'client', x, y, kind === FIRST ? size * 1.05 : size * .7);
    marks.push({x, y, client: i});
  }
  c.globalAlpha = 1;
  // Corners: what the hub gathers, and the partition.
  c.textAlign = 'left'; c.textBaseline = 'alphabetic'; c.font = '600 ' + (talk ? 16 : 13) + 'px' + FONT;
  const line = cut && width < 480 ? (talk ? 38 : 34) : 16;  // on a phone one below the other
  const corner = width < 480 ? 2 : width - 2;
  if (cut) { c.fillStyle = ink.cut; c.fillText('Partition: ' + cut.kind, 2, 16); }
  if (picked && picked.length) {
    if (width >= 480) c.textAlign = 'right';
    c.fillStyle = ink.delta; c.fillText(ITEM + ' ' + state.value + ': ' + has.size + ' of ' + N, corner, line);
    c.font = (talk ? 16 : 12) + 'px' + FONT; c.fillStyle = ink.soft; c.fillText(D.items ? '+ ms since it was first seen' : '+ ms since its client sent it', corner, line + (talk ? 22 : 17));
  } else if (!D.foreign && N > 1) {
    const root = D.parent.indexOf(-1);
    const batch = batchAt(downs[root].batches, t), absence = absenceAt(root, t);
    state.hub = absence ? name(root) + ' is ' + (absence.dead ? 'dead' : 'paused') : !batch ? name(root) + ' has no batch'
      : name(root) + (batch.dies ? '\u2019s batch dies with it in ' : '\u2019s batch departs in ') + ms(Math.round((batch.end - t) / 1000) * 1000);
    if (width >= 480) c.textAlign = 'right';
    c.fillStyle = ink.soft; c.font = (talk ? 16 : 12.5) + 'px' + FONT;
    c.fillText(state.hub, corner, line);
  }
};

// ---- The space-time diagram.
const lanes = [];
{
  const root = D.parent.indexOf(-1), kids = node => D.parent.flatMap((parent, child) => parent === node ? [child] : []);
  if (root >= 0) {
    const own = kids(root), isHub = node => D.parent.includes(node);
    lanes.push(root, ...own.filter(node => !isHub(node)));
    for (const hub of own.filter(isHub)) lanes.push(hub, ...kids(hub));
  }
}
const LANES = 60;
let laneOf = new Map();
const setLanes = chosen => { laneOf = new Map(lanes.filter(node => chosen.has(node)).map((node, lane) => [node, lane])); };
// In a talk, where there is room for few: the root, those that this step is about with their
// hubs, and who has most to say around it. They stay as long as they have whom the step is about.
const chooseLanes = () => {
  // Below three lines of a sentence, and above the moments.
  const room = Math.min(lanes.length, talk ? Math.floor((innerHeight / zoom - 215) / 60) : LANES), decision = decisions[state.decision];
  if (!talk || lanes.length === room) { if (laneOf.size !== room) setLanes(new Set(lanes.slice(0, room))); return; }
  const about = [lanes[0], state.node, ...(state.message >= 0 ? [M.src[state.message], M.dest[state.message]] : []), ...(state.client >= 0 ? [C.node[state.client]] : []), ...(decision ? [decision.node, ...decision.peers] : [])];
  const first = new Set(about.flatMap(node => [node, D.parent[node]]).filter(node => node >= 0));
  if (laneOf.size === room && [...first].slice(0, room).every(node => laneOf.has(node))) return;
  const busy = new Float64Array(N);
  for (let k = above(flightStart, state.t - span / 2); k < flights.length && flightStart[k] <= state.t + span / 2; k++) { busy[M.src[flights[k][0]]]++; busy[M.dest[flights[k][0]]]++; }
  const others = lanes.filter(node => !first.has(node)).sort((a, b) => busy[b] - busy[a]);
  setLanes(new Set([...first, ...others].slice(0, room)));
};
let span = 2e6, lamportSeen = true, lamportMarks = [];
const lamport = $('lamport');
const laneHeight = () => talk ? 60 : lamport.clientWidth < 500 ? 15 : laneOf.size > 30 ? 14 : 19;
const DASHES = {[ACK]: [5, 3], [HOLE]: [1.5, 3], [SYNC]: [9, 3, 2, 3]};
// By when deltas must be at a hub for its slots, on the lanes of those that aim at that.
const drawSlots = (c, x, y, pitch, begin, end) => {
  c.strokeStyle = ink.edge; c.lineWidth = 1; c.setLineDash([2, 3]);
  announced.forEach((_, hub) => {
    if (!slotsOf[hub].length || !laneOf.has(hub)) return;
    const own = neighbours[hub].filter(other => other !== D.parent[hub] && laneOf.has(other)).concat(hub).map(y);
    const top = Math.min(...own) - pitch / 2, bottom = Math.max(...own) + pitch / 2;
    for (let k = above(slotsOf[hub], begin); k < slotsOf[hub].length && slotsOf[hub][k] <= end; k++) {
      const at = slotsOf[hub][k];
      c.beginPath(); c.moveTo(x(at), top); c.lineTo(x(at), bottom); c.stroke();
      lamportMarks.push({x1: x(at), y1: top, x2: x(at), y2: bottom, reach: 3, hint: 'A slot: ' + name(hub) + ' said that deltas must be there at ' + sec(at)});
    }
  });
  c.setLineDash([]);
};
// What waits on a node, from its first value to its departure.
const drawBatches = (c, x, y, pitch, begin, end) => {
  const high = Math.min(talk ? 16 : 9, pitch * .5);
  for (const node of laneOf.keys()) for (const dir of [ups[node], downs[node]]) {
    const batches = dir.batches;
    let low = 0, top = batches.length;
    while (low < top) { const middle = (low + top) >> 1; if (batches[middle].end < begin) low = middle + 1; else top = middle; }
    for (let k = low; k < batches.length && batches[k].start <= end; k++) {
      const batch = batches[k], from = x(batch.start), to = x(batch.end);
      // A leaf that sends at once has nothing that waits.
      if (!dir.down && batch.end - batch.start < 1000) continue;
      // A hub's own is the tall one.
      const h = dir.down ? high * 1.35 : high * .8, up = y(node) - h / 2;
      c.fillStyle = ink.hold; c.globalAlpha = dir.down ? 1 : .8; c.fillRect(from, up, to - from, h);
      c.globalAlpha = 1; c.strokeStyle = ink.delta; c.lineWidth = dir.down ? 2.4 : 1.6;
      if (!batch.dies) { c.beginPath(); c.moveTo(to, y(node) - h * .75); c.lineTo(to, y(node) + h * .75); c.stroke(); }
      if (dir.down && to - from > 22) { c.fillStyle = ink.ink; c.font = '600 ' + Math.round(Math.max(talk ? 16 : 8, h * .85)) + 'px' + FONT; c.textAlign = 'center'; c.textBaseline = 'middle'; c.fillText(batch.count, (from + to) / 2, y(node) + .5); }
      lamportMarks.push({x1: from, y1: y(node), x2: to, y2: y(node), reach: h / 2, hint: batchText(batch)});
    }
  }
};
// From when to when a node suspects somebody: a line below its own.
const drawDoubts = (c, x, y, pitch, begin, end) => {
  c.strokeStyle = ink.ink; c.lineWidth = 2; c.setLineDash([7, 3, 2, 3]);
  for (const node of laneOf.keys()) {
    const list = doubts[node], at = y(node) + Math.min(talk ? 15 : 7, pitch * .36);
    for (let k = 1; k < list.length; k++) {
      const until = k + 1 < list.length ? list[k + 1][0] : END;
      if (!list[k][1] || until < begin || list[k][0] > end) continue;
      c.beginPath(); c.moveTo(x(list[k][0]), at); c.lineTo(x(until), at); c.stroke();
      lamportMarks.push({x1: x(list[k][0]), y1: at, x2: x(until), y2: at, reach: 3, hint: name(node) + ' suspects ' + namesOf(suspectsAt(node, list[k][0]))});
    }
  }
  c.setLineDash([]);
};
// What a node noticed.
const drawNotes = (c, x, y, pitch, begin, end) => {
  const size = Math.min(talk ? 11 : 7, pitch * .42);
  for (let k = above(noteTimes, begin - 1); k < notes.length && noteTimes[k] <= end; k++) {
    const note = notes[k];
    if (!laneOf.has(note.node) || note.what === 'hole') continue;
    const cx = x(note.t), cy = y(note.node);
    badge(c, SIGN[note.what] || 'i', cx, cy, size, note.what === 'suspect' || note.what === 'promise-broken' || k === state.note);
    if (k === state.note) { c.lineWidth = 2; c.strokeStyle = ink.ink; c.beginPath(); c.arc(cx, cy, size + 4, 0, 7); c.stroke(); }
    lamportMarks.push({x1: cx, y1: cy, x2: cx, y2: cy, reach: size, note: k, hint: noteText(note) + ' (at ' + sec(note.t) + ')'});
  }
};
const drawLamport = () => {
  lamport.style.height = (laneHeight() * laneOf.size + 34) * zoom + 'px';
  const [c, width, height] = surface(lamport), t = state.t, left = talk ? 46 : 34, right = width - 6, top = 8, bottom = height - 26, thick = talk ? 2 : 1;
  const begin = Math.max(0, Math.min(END - span, t - span / 2)), end = begin + span;
  const x = time => left + (time - begin) / span * (right - left);
  const pitch = (bottom - top) / laneOf.size, y = node => top + (laneOf.get(node) + .5) * pitch;
  shadeCuts(c, x, top, bottom, left, right);
  c.font = (talk ? 16 : 11) + 'px' + FONT; c.textBaseline = 'middle'; c.textAlign = 'right';
  for (const [node] of laneOf) {
    const picked = node === state.node;
    c.strokeStyle = picked ? ink.ink : talk ? ink.edge : ink.line; c.lineWidth = picked ? 1.5 : 1;
    c.beginPath(); c.moveTo(left, y(node)); c.lineTo(right, y(node)); c.stroke();
    c.fillStyle = picked ? ink.ink : ink.soft; c.fillText(name(node), left - 6, y(node));
  }
  const step = tick(span / 1e6, width < 500 ? 4 : 8) * 1e6;
  c.textAlign = 'center'; c.fillStyle = ink.soft; c.textBaseline = 'alphabetic';
  for (let at = Math.ceil(begin / step) * step; at <= end; at += step) {
    c.strokeStyle = ink.edge; c.lineWidth = 1; c.beginPath(); c.moveTo(x(at), bottom); c.lineTo(x(at), bottom + 4); c.stroke();
    if (x(at) > left + 12 * thick && x(at) < right - 14 * thick) c.fillText(sec(at, step < 1e5 ? 2 : 1), x(at), bottom + 18);
  }
  c.save(); c.beginPath(); c.rect(left, top, right - left, bottom - top); c.clip();
  lamportMarks = [];
  drawSlots(c, x, y, pitch, begin, end);
  drawBatches(c, x, y, pitch, begin, end);
  drawDoubts(c, x, y, pitch, begin, end);
  // Who is not there: a dead node's lane is a thick line, a paused one's a dashed one.
  c.strokeStyle = ink.cut; c.globalAlpha = .4; c.lineWidth = 6;
  for (const node of laneOf.keys()) for (const absence of absences[node]) {
    if (absence.end < begin || absence.start > end) continue;
    c.setLineDash(absence.dead ? [] : [3, 4]);
    c.beginPath(); c.moveTo(x(absence.start), y(node)); c.lineTo(x(Math.min(absence.end, END)), y(node)); c.stroke();
  }
  c.setLineDash([]); c.globalAlpha = 1;
  const from = above(flightStart, begin - longest - 1), to = above(flightStart, end);
  // One path a look: kind, and whether it stands back.
  const paths = new Map(), dots = new Map(), crosses = [];
  for (let k = from; k < to; k++) {
    const i = flights[k][0], a = M.src[i], b = M.dest[i];
    if (!laneOf.has(a) || !laneOf.has(b)) continue;
    const over = Math.min(until(flights[k]), sent[i] + longest);
    if (over < begin) continue;
    const gone = fate[i] > 1, way = gone ? (fate[i] === 3 ? .3 : .88) : 1;
    const x1 = x(sent[i]), y1 = y(a), x2 = x1 + (x(over) - x1) * (fate[i] === 3 ? 1 : way), y2 = y1 + (y(b) - y1) * way;
    const back = state.value !== null ? !carries(i, state.value) : state.node >= 0 && a !== state.node && b !== state.node;
    const key = M.kind[i] * 2 + (back ? 1 : 0);
    if (!paths.has(key)) { paths.set(key, new Path2D()); dots.set(key, new Path2D()); }
    paths.get(key).moveTo(x1, y1); paths.get(key).lineTo(x2, y2);
    if (gone) crosses.push(x2, y2, back); else dots.get(key).rect(x2 - 2 * thick, y2 - 2 * thick, 4 * thick, 4 * thick);
    lamportMarks.push({x1, y1, x2, y2, message: i, back});
    if (i === state.message) { c.strokeStyle = ink.ink; c.lineWidth = 5 * thick; c.globalAlpha = .35; c.beginPath(); c.moveTo(x1, y1); c.lineTo(x2, y2); c.stroke(); c.globalAlpha = 1; }
  }
  for (const [key, path] of [...paths].sort((a, b) => (b[0] & 1) - (a[0] & 1))) {
    const kind = key >> 1;
    c.strokeStyle = c.fillStyle = ink[INKS[kind]]; c.globalAlpha = key & 1 ? .13 : kind === AGAIN ? 1 : .8;
    c.lineWidth = thick * (kind === AGAIN || kind === HOLE || kind === SYNC ? 2.2 : 1.15); c.setLineDash(DASHES[kind] || []);
    c.stroke(path); c.setLineDash([]); c.fill(dots.get(key));
  }
  c.strokeStyle = ink.cut; c.lineWidth = 1.8 * thick;
  for (let k = 0; k < crosses.length; k += 3) { c.globalAlpha = crosses[k + 2] ? .2 : 1; const [cx, cy] = [crosses[k], crosses[k + 1]], s = 3 * thick; c.beginPath(); c.moveTo(cx - s, cy - s); c.lineTo(cx + s, cy + s); c.moveTo(cx + s, cy - s); c.lineTo(cx - s, cy + s); c.stroke(); }
  c.fillStyle = ink.client;
  for (let i = above(asked, begin - 1); i < above(asked, end); i++) {
    if (D.requests[C.what[i]] !== FIRST || !laneOf.has(C.node[i])) continue;
    c.globalAlpha = state.value !== null && C.value[i] !== state.value ? .2 : 1;
    const cx = x(asked[i]), cy = y(C.node[i]);
    shape(c, 'client', cx, cy, 4 * thick);
    lamportMarks.push({x1: cx, y1: cy, x2: cx, y2: cy, client: i});
  }
  drawNotes(c, x, y, pitch, begin, end);
  // In a talk what the sentence's message carries stands where it arrives.
  const told = talk && lamportMarks.find(mark => mark.message === state.message && mark.message >= 0);
  if (told) {
    const i = told.message, text = !isSegment(i) ? KINDS[M.kind[i]] : !M.count[i] ? 'ack ' + M.ack[i] : M.count[i] > 4 ? plural(M.count[i], ITEM) : valuesOf(i).map(label).join(' ');
    c.font = '600 16px' + FONT; c.textAlign = 'left'; c.textBaseline = 'middle'; c.strokeStyle = ink.panel; c.fillStyle = ink[INKS[M.kind[i]]]; c.lineWidth = 5; c.lineJoin = 'round';
    c.strokeText(text, told.x2 + 10, told.y2); c.fillText(text, told.x2 + 10, told.y2);
  }
  c.restore(); c.globalAlpha = 1;
  c.strokeStyle = ink.ink; c.lineWidth = 1.5; c.beginPath(); c.moveTo(x(t), top - 4); c.lineTo(x(t), bottom + 4); c.stroke();
  lamport.view = {begin, left, right};
};

// ---- The timeline above the controls.
const overview = $('overview');
const drawOverview = () => {
  const [c, width, height] = surface(overview), left = 7, right = width - 7, x = t => left + t / END * (right - left);
  shadeCuts(c, x, 0, height, left, right);
  const bins = Math.max(20, Math.floor((right - left) / 3)), counts = new Uint32Array(bins), again = new Uint32Array(bins);
  for (let i = 0; i < COUNT; i++) { const bin = Math.min(bins - 1, Math.floor(sent[i] / END * bins)); counts[bin]++; if (M.kind[i] === AGAIN || fate[i] > 1) again[bin]++; }
  const most = Math.max(1, ...counts);
  for (let bin = 0; bin < bins; bin++) {
    const h = counts[bin] / most * (height - 8), g = again[bin] / most * (height - 8), at = left + bin * (right - left) / bins;
    c.fillStyle = ink.edge; c.fillRect(at, height - h, 2, h);
    c.fillStyle = ink.cut; c.fillRect(at, height - g, 2, g);
  }
};

// ---- The charts.
const charts = [];
const BIN = [1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8].find(step => END / step <= 80) || 1e9;
const BINS = Math.ceil(END / BIN);
const rates = {delta: new Float64Array(BINS), ack: new Float64Array(BINS), again: new Float64Array(BINS), other: new Float64Array(BINS), hole: new Float64Array(BINS), sync: new Float64Array(BINS), client: new Float64Array(BINS)};
{
  const put = (list, t) => { list[Math.min(BINS - 1, Math.floor(t / BIN))] += 1e6 / BIN; };
  for (let i = 0; i < COUNT; i++) put(rates[INKS[M.kind[i]]], sent[i]);
  // The load alone: init, topology and stats are the testbed's own.
  for (let i = 0; i < asked.length; i++) if (LOAD.has(D.requests[C.what[i]])) { put(rates.client, asked[i]); if (replied[i] < Infinity) put(rates.client, replied[i]); }
}
const S = D.stable;
const axis = (c, width, height, top, bottom, left, right, most, unit) => {
  const y = value => bottom - value / most * (bottom - top), x = t => left + t / END * (right - left);
  c.font = '11.5px' + FONT; c.textBaseline = 'middle'; c.textAlign = 'right';
  const step = tick(most, 5);
  for (let at = 0; at <= most * 1.001; at += step) {
    c.strokeStyle = ink.line; c.lineWidth = 1; c.beginPath(); c.moveTo(left, Math.round(y(at)) + .5); c.lineTo(right, Math.round(y(at)) + .5); c.stroke();
    c.fillStyle = ink.soft; c.fillText(fmt(at, step < 1 ? 1 : 0), left - 6, y(at));
  }
  c.textAlign = 'center'; c.textBaseline = 'alphabetic';
  const along = tick(END / 1e6, width < 500 ? 5 : 10) * 1e6;
  for (let at = 0; at <= END; at += along) c.fillText(sec(at, along < 1e6 ? 1 : 0), Math.min(right - 10, x(at)), bottom + 17);
  shadeCuts(c, x, top, bottom, left, right);
  return [x, y];
};
// `points`: where the keyboard may go: [time, x, y]; without y it is a moment of the whole chart.
const chart = (title, about, legend, draw, tell, click, head, rows, points) => {
  const canvas = el('canvas', {height: 210, tabIndex: 0}), cursor = el('div', {className: 'cursor'}), ring = el('div', {className: 'ring'}), tip = el('div', {className: 'tip'});
  canvas.setAttribute('role', 'slider'); canvas.setAttribute('aria-label', title + '. ' + about + ' Arrow keys go from point to point, Enter goes to that moment.');
  canvas.setAttribute('aria-valuemin', 0); canvas.setAttribute('aria-valuemax', END / 1e6); canvas.setAttribute('aria-valuenow', 0);
  const box = el('div', {className: 'chart'}, canvas, cursor, ring, tip);
  const keys = el('ul', {className: 'legend'}); keys.style.margin = 0;
  for (const [what, text] of legend) keys.append(key(what, text));
  const table = el('details', {}, el('summary', {textContent: title + ' as a table'}));
  table.addEventListener('toggle', () => {
    if (!table.open || table.children.length > 1) return;
    const body = el('table', {}, el('thead', {}, el('tr', {}, ...head.map(text => el('th', {textContent: text, className: 'n', scope: 'col'})))),
      el('tbody', {}, ...rows().map(row => el('tr', {}, ...row.map(cell => el('td', {className: 'n', textContent: cell}))))));
    table.append(el('div', {className: 'scroll', tabIndex: 0}, body));
  });
  $('charts').append(el('div', {className: 'charthead'}, el('h3', {textContent: title}), keys), el('p', {className: 'soft small', textContent: about}), box, table);
  const own = {left: 46, right: 0, draw() {
    const [c, width, height] = surface(canvas);
    own.right = width - 8;
    draw(c, width, height, 8, height - 24, own.left, own.right);
    own.move();
  }, move() { cursor.style.transform = 'translateX(' + (own.left + state.t / END * (own.right - own.left)).toFixed(1) + 'px)'; }};
  const timeAt = event => { const r = canvas.getBoundingClientRect(); return Math.max(0, Math.min(END, (event.clientX - r.left - own.left) / (own.right - own.left) * END)); };
  canvas.addEventListener('pointermove', event => {
    const r = canvas.getBoundingClientRect();
    tip.textContent = tell(timeAt(event), event.clientX - r.left, event.clientY - r.top);
    tip.style.display = 'block';
    tip.style.left = Math.max(0, Math.min(r.width - tip.offsetWidth, event.clientX - r.left + 12)) + 'px';
  });
  const hide = () => { tip.style.display = ring.style.display = 'none'; };
  canvas.addEventListener('pointerleave', hide);
  canvas.addEventListener('blur', hide);
  let at = -1;
  const visit = k => {
    const all = points(own);
    if (!all.length) return;
    at = Math.max(0, Math.min(all.length - 1, k));
    const [t, px, py] = all[at];
    canvas.setAttribute('aria-valuenow', (t / 1e6).toFixed(2)); canvas.setAttribute('aria-valuetext', tip.textContent = tell(t, px, py ?? 1e4));
    tip.style.display = ring.style.display = 'block';
    tip.style.left = Math.max(0, Math.min(box.clientWidth - tip.offsetWidth, px + 12)) + 'px';
    ring.style.transform = 'translate(' + (px - 6) + 'px,' + ((py ?? 8) - 6) + 'px)';
  };
  canvas.addEventListener('focus', () => { if (canvas.matches(':focus-visible')) visit(at >= 0 ? at : above(points(own).map(each => each[0]), state.t) - 1); });
  canvas.addEventListener('keydown', event => {
    const all = points(own), by = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -all.length, End: all.length}[event.key];
    if (by) visit((at < 0 ? above(all.map(each => each[0]), state.t) - 1 : at) + by);
    else if (event.key === 'Enter' && at >= 0) click(all[at][0], all[at][1], all[at][2] ?? 1e4);
    else return;
    event.preventDefault(); event.stopPropagation();
  });
  canvas.addEventListener('click', event => { const r = canvas.getBoundingClientRect(); click(timeAt(event), event.clientX - r.left, event.clientY - r.top); });
  charts.push(own);
};
const key = (what, text) => {
  const draw = {delta: '<circle cx="10" cy="7" r="4.5"/>', ack: '<circle cx="10" cy="7" r="4" fill="none" stroke-width="2"/>', again: '<path d="M10 1.5L15.5 7 10 12.5 4.5 7z"/>',
    client: '<path d="M10 2.5l5 8.5H5z"/>', other: '<circle cx="10" cy="7" r="4.5"/>', drop: '<path d="M6 3l8 8m0-8l-8 8" fill="none" stroke-width="2"/>',
    hole: '<path d="M5 3.5h10l-5 8.5z" fill="none" stroke-width="2"/>', sync: '<path d="M6 3h8v8h-8z" stroke="none"/>',
    suspect: '<path d="M0 7h20" stroke-dasharray="5 2 1.5 2" fill="none" stroke-width="1.6"/><circle cx="10" cy="7" r="5.5" fill="var(--panel)" stroke-width="1.2"/><text x="10" y="10.2" text-anchor="middle" font-size="9" font-weight="700" stroke="none">?</text>',
    slot: '<path d="M10 0v14" stroke-dasharray="2 2" fill="none" stroke-width="1.2"/>',
    batch: '<path d="M1 3.5h15v7h-15z" fill="var(--hold)" stroke="none"/><path d="M16.5 1v12" stroke="var(--delta)" stroke-width="2.4"/>',
    waits: '<path d="M1 5h15v4h-15z" fill="var(--hold)" stroke="none"/><path d="M16.5 3.5v7" stroke="var(--delta)" stroke-width="1.6"/>',
    doubt: '<path d="M0 9.5h20" stroke-dasharray="5 2 1.5 2" fill="none" stroke-width="2"/>',
    cut: '<path d="M0 7h20" stroke-dasharray="3 3" fill="none" stroke-width="1.5"/><path d="M10 1.5v11" stroke-width="2.5"/>',
    ring: '<circle cx="10" cy="7" r="5.5" fill="none" stroke="var(--line)" stroke-width="2.6"/><path d="M10 1.5a5.5 5.5 0 1 1 -5.5 5.5" fill="none" stroke-width="2.6"/>',
    stack: '<path d="M4 1.5h12v3h-12zm0 4h12v3h-12zm0 4h12v3h-12z" fill="var(--hold)" stroke-width="1"/>',
    node: '<path d="M5 7a5 5 0 0 0 10 0z" fill="var(--hold)" stroke="none"/><circle cx="10" cy="7" r="5.5" fill="none" stroke-width="1.4"/>',
    tie: '<circle cx="4" cy="9.5" r="3" fill="none" stroke-width="2"/><path d="M7 8Q12 0 19 9" fill="none" stroke-width="1.4"/>',
    area: '<path d="M1 12L7 5l5 3 7-6v10z" stroke="none"/>', dash: '<path d="M1 7h18" stroke-dasharray="5 4" fill="none" stroke-width="1.5"/>', line: '<path d="M1 7h18" fill="none" stroke-width="1.8"/>'};
  const [kind, colour] = what.split(' ');
  const item = el('li', {className: colour === 'talking' ? colour : ''}), ink = {drop: 'cut', node: 'soft', suspect: 'ink', doubt: 'ink', slot: 'edge', batch: 'delta', waits: 'delta', ring: 'delta', stack: 'delta', tie: 'delta'}[kind] || colour || kind;
  item.innerHTML = '<svg viewBox="0 0 20 14" aria-hidden="true" style="fill:var(--' + ink + ');stroke:var(--' + ink + ')">' + draw[kind] + '</svg>';
  item.append(text);
  return item;
};
const results = D.results;
const quant = results.stable_latency_ms;
let latencyDots = [];
let maxLatency = 0;
for (const latency of S.latency) maxLatency = Math.max(maxLatency, latency / 1000);
const perSecond = () => Array.from({length: Math.ceil(END / 1e6)}, (_, k) => k);
const order = Array.from(S.known.keys()).sort((a, b) => S.known[a] - S.known[b]);
const bins = own => Array.from({length: BINS}, (_, k) => { const t = Math.min(END, (k + .5) * BIN); return [t, own.left + t / END * (own.right - own.left)]; });
const buildCharts = () => {
  const shown = Math.max((D.limits.length ? D.limits[0][3] * 1.08 : 0), maxLatency * 1.08, 10);
  const lines = D.limits.flatMap(([limit, , median, most]) => [[limit + ' median', median], [limit + ' maximum', most]]).filter(line => line[1] <= shown);
  const beyond = D.limits.filter(limit => limit[3] > shown).map(limit => limit[0] + ' allows ' + fmt(limit[2]) + ' and ' + fmt(limit[3]) + ' ms, above this chart.').join(' ');
  if (quant || results.item) chart('Stable latency of each ' + ITEM + ', ms', (quant ? 'Half of the ' + ITEMS + ' were everywhere within ' + fmt(quant.p50) + ' ms, all of them within ' + fmt(quant.p100) + ' ms. ' : 'No ' + ITEM + ' became stable. ') + (D.limits_apply || !D.limits.length ? beyond : 'The challenges\u2019 limits are drawn for comparison; they do not apply to this network. ' + beyond),
    [['delta', a(ITEM) + ', at the moment it was accepted'], ['line ink', 'median'], ...(D.limits.length ? [['dash again', 'limits']] : [])],
    (c, width, height, top, bottom, left, right) => {
      const [x, y] = axis(c, width, height, top, bottom, left, right, shown);
      latencyDots = [];
      c.fillStyle = ink.delta; c.globalAlpha = S.value.length > 3000 ? .3 : .6;
      c.beginPath();
      for (let k = 0; k < S.value.length; k++) { const px = x(S.known[k]), py = y(S.latency[k] / 1000); latencyDots.push(px, py); c.moveTo(px + 2.2, py); c.arc(px, py, 2.2, 0, 7); }
      c.fill(); c.globalAlpha = 1; c.lineWidth = 1.3;
      if (quant) { c.strokeStyle = ink.ink; c.beginPath(); c.moveTo(left, y(quant.p50)); c.lineTo(right, y(quant.p50)); c.stroke(); }
      c.textAlign = 'right'; c.font = '11.5px' + FONT; c.textBaseline = 'bottom';
      for (const [text, value] of lines) {
        c.strokeStyle = ink.again; c.setLineDash([6, 4]); c.beginPath(); c.moveTo(left, y(value)); c.lineTo(right, y(value)); c.stroke(); c.setLineDash([]);
        // Labels that would lie on each other are left to the text.
        if (y(value) > 20 && lines.every(other => other[1] <= value || y(value) - y(other[1]) > 13 || other[1] === value)) { c.lineWidth = 3; c.strokeStyle = ink.panel; c.strokeText(text + ' ' + fmt(value), right - 2, y(value) - 2); c.lineWidth = 1.3; c.fillStyle = ink.again; c.fillText(text + ' ' + fmt(value), right - 2, y(value) - 2); }
      }
      // The judge has numbers of its own for items that are no values.
      const chosen = state.value === null || D.items ? -1 : S.value.indexOf(state.value);
      if (chosen >= 0) { c.strokeStyle = ink.ink; c.lineWidth = 2; c.beginPath(); c.arc(latencyDots[2 * chosen], latencyDots[2 * chosen + 1], 6, 0, 7); c.stroke(); }
    },
    (t, px, py) => { const k = nearDot(px, py); return k < 0 ? sec(t, 1) : (D.items ? a(ITEM) : ITEM + ' ' + S.value[k]) + ': ' + ms(S.latency[k]) + ', known at ' + sec(S.known[k], 2); },
    (t, px, py) => { const k = nearDot(px, py); if (k >= 0 && !D.items) { pickValue(S.value[k]); seek((spread.get(S.value[k]) || [[0, S.known[k]]])[0][1]); } else seek(k < 0 ? t : S.known[k]); },
    ['second', ITEMS, 'median ms', 'maximum ms'],
    () => perSecond().flatMap(s => { const list = []; for (let k = 0; k < S.value.length; k++) if (Math.floor(S.known[k] / 1e6) === s) list.push(S.latency[k]); list.sort((a, b) => a - b); return list.length ? [[s, list.length, fmt(list[list.length >> 1] / 1000), fmt(list[list.length - 1] / 1000)]] : []; }),
    () => order.map(k => [S.known[k], latencyDots[2 * k], latencyDots[2 * k + 1]]));
  const layers = ['delta', 'ack', 'again', 'hole', 'sync', 'other'].filter(kind => rates[kind].some(Boolean));
  const labels = {delta: 'delta', ack: 'ack alone', again: 'retransmission', hole: 'request for a resend', sync: 'digest', other: 'other'};
  const tops = Array.from({length: BINS}, (_, k) => layers.reduce((sum, kind) => sum + rates[kind][k], 0));
  const mostRate = Math.max(10, ...tops, ...rates.client) * 1.06;
  chart('Messages a second', 'Between nodes, stacked by kind; ' + fmt(results.server_messages.total) + ' in all, ' + fmt(results.msgs_per_op, 2) + ' for each operation. Client requests and answers, which cost the network nothing, are the line.',
    [...layers.map(kind => ['area ' + kind, labels[kind]]), ['line client', 'clients']],
    (c, width, height, top, bottom, left, right) => {
      const [x, y] = axis(c, width, height, top, bottom, left, right, mostRate);
      const base = new Float64Array(BINS);
      for (const kind of layers) {
        c.fillStyle = ink[kind]; c.globalAlpha = .85;
        for (let k = 0; k < BINS; k++) if (rates[kind][k]) { const a = x(k * BIN), b = x(Math.min(END, (k + 1) * BIN)); c.fillRect(a + .5, y(base[k] + rates[kind][k]), Math.max(1, b - a - 1), y(base[k]) - y(base[k] + rates[kind][k])); base[k] += rates[kind][k]; }
      }
      c.globalAlpha = 1; c.strokeStyle = ink.client; c.lineWidth = 1.8; c.beginPath();
      for (let k = 0; k < BINS; k++) { c.lineTo(x(k * BIN), y(rates.client[k])); c.lineTo(x(Math.min(END, (k + 1) * BIN)), y(rates.client[k])); }
      c.stroke();
    },
    t => { const k = Math.min(BINS - 1, Math.floor(t / BIN)); return sec(t, 1) + ': ' + [...layers, 'client'].map(kind => fmt(rates[kind][k]) + ' ' + (labels[kind] || 'client')).join(', '); },
    seek, ['second', ...layers.map(kind => labels[kind]), 'clients'],
    () => perSecond().map(s => { const sum = kind => { let all = 0, n = 0; for (let k = 0; k < BINS; k++) if (Math.floor(k * BIN / 1e6) === s || (BIN > 1e6 && Math.floor(s * 1e6 / BIN) === k)) { all += rates[kind][k]; n++; } return fmt(n ? all / n : 0); }; return [s, ...layers.map(sum), sum('client')]; }), bins);
  if (D.foreign) return;
  let most = 10, when = 0;
  backlog.all.forEach((all, k) => { if (all > most) { most = all; when = backlog.t[k]; } });
  chart('Backlog', 'Values that wait for their ack, all links together: ' + fmt(most) + ' at most, at ' + sec(when, 1) + '. A healthy link owes its acks for up to a second, so this is never low under load; what matters is that it comes back to nothing.',
    [['area delta', 'on healthy links'], ['area cut', 'on suspect links']],
    (c, width, height, top, bottom, left, right) => {
      const [x, y] = axis(c, width, height, top, bottom, left, right, most * 1.06);
      const columns = Math.max(1, Math.floor(right - left));
      for (const [list, colour, alpha] of [[backlog.all, ink.delta, .55], [backlog.suspect, ink.cut, .9]]) {
        c.fillStyle = colour; c.globalAlpha = alpha; c.beginPath(); c.moveTo(left, bottom);
        let k = 0;
        for (let column = 0; column <= columns; column++) {
          const before = (column + 1) / columns * END;
          let high = list[k];
          while (k + 1 < list.length && backlog.t[k + 1] <= before) { k++; high = Math.max(high, list[k]); }
          c.lineTo(left + column, y(high));
        }
        c.lineTo(right, bottom); c.closePath(); c.fill();
      }
      c.globalAlpha = 1;
    },
    t => { const k = above(backlog.t, t) - 1; return sec(t, 1) + ': ' + plural(backlog.all[k], ITEM) + ' unacked, ' + fmt(backlog.suspect[k]) + ' on suspect links'; },
    seek, ['second', 'unacked', 'on suspect links'],
    () => perSecond().map(s => { const k = above(backlog.t, s * 1e6) - 1; return [s, fmt(backlog.all[k]), fmt(backlog.suspect[k])]; }), bins);
};
const nearDot = (px, py) => {
  let best = -1, least = 144;
  for (let k = 0; k < S.value.length; k++) { const d = (latencyDots[2 * k] - px) ** 2 + (latencyDots[2 * k + 1] - py) ** 2; if (d < least) { least = d; best = k; } }
  return best;
};

// ---- Words.
const messageText = i => {
  const values = M.kind[i] === DELTA || M.kind[i] === AGAIN ? ' of ' + plural(M.count[i], ITEM) : '';
  return (probe[i] && isSegment(i) ? 'probe, a ' : '') + KINDS[M.kind[i]] + values;
};
const a = text => (/^[aeiou]/.test(text) ? 'an ' : 'a ') + text;
const nodesText = nodes => nodes.length === N ? 'All nodes are' : nodes.length > 4 ? plural(nodes.length, 'node') + ' are' : nodes.map(name).join(', ') + (nodes.length === 1 ? ' is' : ' are');
const dropText = i => {
  const absence = absenceAt(M.dest[i], arrive[i]), cut = cutAt(arrive[i]);
  if (fate[i] === 3) return 'lost by the network';
  if (!absence || (cut && cut.pairs.has(M.src[i] * N + M.dest[i]))) return 'dropped by the partition';
  return 'dropped: ' + name(M.dest[i]) + ' is ' + (absence.dead ? 'dead' : 'paused') + (STORY.length ? '' : ', and ten messages wait for it already');
};
const eventText = k => {
  const i = evIndex[k];
  switch (evWhat[k]) {
    case SEND: return name(M.src[i]) + ' sends ' + a(messageText(i)) + ' to ' + name(M.dest[i]);
    case RECV: return name(M.dest[i]) + ' receives ' + a(messageText(i)) + ' from ' + name(M.src[i]) + (waited(i) ? ', which waited until ' + name(M.dest[i]) + ' was back' : '');
    case DROP: return 'The ' + messageText(i) + ' from ' + name(M.src[i]) + ' to ' + name(M.dest[i]) + ' is ' + dropText(i);
    case ASK: return 'c' + C.client[i] + ' asks ' + name(C.node[i]) + ': ' + D.requests[C.what[i]] + (D.requests[C.what[i]] === ADDS ? ' ' + C.value[i] : '');
    case REPLY: return name(C.node[i]) + ' answers c' + C.client[i] + ': ' + D.requests[C.what[i]] + '_ok' + (C.shown[i] >= 0 ? ', ' + plural(C.shown[i], ITEM) : '');
    case CUT: return 'The network is cut: ' + cuts[i].kind;
    case KILL: case START: case PAUSE: case RESUME: return nodesText(D.nodes[i].nodes) + [' killed', ' started again', ' paused', ' resumed'][evWhat[k] - KILL];
    default: return 'The network is healed';
  }
};
const clientJson = i => {
  const type = D.requests[C.what[i]], body = {type, msg_id: C.msg_id[i]};
  if (type === ADDS) body[type === 'add' ? 'element' : 'message'] = C.value[i];
  if (type === 'init') { body.node_id = name(C.node[i]); body.node_ids = Array.from({length: N}, (_, k) => name(k)); }
  if (type === 'topology') body.topology = '(a grid; see messages.jsonl)';
  return {src: 'c' + C.client[i], dest: name(C.node[i]), body};
};
const holesOf = i => { const flat = M.missing[i] || [], pairs = []; for (let k = 0; k < flat.length; k += 2) pairs.push([flat[k], flat[k + 1]]); return pairs; };
const messageJson = i => {
  const isDelta = M.count[i] > 0 || M.kind[i] === DELTA || M.kind[i] === AGAIN, body = {type: isDelta ? 'delta' : 'ack'};
  const add = (field, value) => { if (value >= 0) body[field] = value; };
  add('epoch', epochOf(i)); add('peer', peerOf(i)); add('offset', M.offset[i]);
  if (isDelta) body.values = D.items ? valuesOf(i).map(label) : valuesOf(i);
  add('ack', M.ack[i]); add('ts', M.ts[i]); add('echo', M.echo[i]); add('held', M.held[i]);
  if (M.next[i]) { body.next = M.next[i][0]; if (M.next[i][1] !== M.next[i][0]) body.every = M.next[i][1]; }
  if (namesHoles(i)) body.missing = holesOf(i);
  if (probe[i]) body.probe = true;
  return {src: name(M.src[i]), dest: name(M.dest[i]), body};
};
const fields = list => el('dl', {className: 'fields'}, ...list.flatMap(([term, text]) => [el('dt', {textContent: term}), el('dd', {textContent: text})]));
const heading = (text, id) => el('div', {className: 'pickedhead'}, el('h3', {textContent: text, id: 'pickedtitle'}), id);
// A button for what a list has no room for.
const more = (count, toggle, open) => { const button = el('button', {type: 'button', className: 'text', textContent: open ? 'fewer' : 'and ' + count + ' more'}); button.dataset.more = 1; button.setAttribute('aria-expanded', open); button.onclick = toggle; return button; };
const goTo = (text, t) => { const button = el('button', {type: 'button', className: 'text', textContent: text}); button.onclick = () => seek(t); return button; };
const showMessage = i => {
  const from = name(M.src[i]), to = name(M.dest[i]);
  const end = fate[i] === 1 ? 'Received at ' + sec(arrive[i]) + ', after ' + ms(arrive[i] - sent[i]) + (waited(i) ? ': it waited until ' + to + ' was back.' : '.') : fate[i] ? 'It is ' + dropText(i) + ' (at ' + sec(arrive[i]) + ').' : 'Still under way at the end.';
  const parts = [heading(KINDS[M.kind[i]][0].toUpperCase() + KINDS[M.kind[i]].slice(1) + ' ' + from + ' \u2192 ' + to, goTo('go to its sending', sent[i])),
    el('p', {className: 'small soft', textContent: 'Sent at ' + sec(sent[i]) + '. ' + end + ' Number ' + ids[i] + ' in messages.jsonl.'})];
  if (!isSegment(i)) return [...parts, el('pre', {textContent: M.raw[i] || ''}), el('p', {className: 'small soft', textContent: M.kind[i] === SYNC ? 'A digest: what ' + from + ' holds, in short (have), so that ' + to + ' can send what it lacks. After a new incarnation of either, or to a neighbour of which nothing was heard yet.' : 'Not a message of hubcast\u2019s; it is shown as it was.'})];
  const list = [['src: ' + from, 'The sender.'], ['dest: ' + to, 'The receiver, a neighbour' + (links.has(M.src[i] * N + M.dest[i]) ? ' in the tree.' : ' while the hub is away.')]], body = messageJson(i).body;
  const last = M.offset[i] + M.count[i] - 1, isDelta = body.type === 'delta';
  if (isDelta) list.push(['type: delta', M.kind[i] === AGAIN ? Items + ' that were sent before: no ack came in time, or the other side named a hole.' : 'New ' + ITEMS + ': a batch of what has come since the last delta, and nothing that ' + to + ' has itself sent.']);
  else list.push(['type: ack', namesHoles(i) ? 'Nothing to send, but something is missing: a request for a resend.' : 'Nothing to send, only to acknowledge: nothing else went this way for the ack delay, or an answer was due at once.']);
  if (body.epoch !== undefined) list.push(['epoch: ' + body.epoch, from + '\u2019s incarnation: each start of a node has a larger number than the one before.']);
  if (body.peer !== undefined) list.push(['peer: ' + body.peer, body.peer ? to + '\u2019s incarnation, as far as ' + from + ' knows. Meant for another one, the numbers below would not count.' : from + ' does not know ' + to + '\u2019s incarnation yet.']);
  if (isDelta) list.push(['offset: ' + M.offset[i], 'The place of the first ' + ITEM + ' in ' + from + '\u2019s stream to ' + to + '. These are number ' + M.offset[i] + (last > M.offset[i] ? ' to ' + last : '') + '.'],
    ['values: [' + M.count[i] + ']', 'The ' + ITEMS + ' themselves, in the order in which ' + from + ' heard of them.']);
  else list.push(['offset: ' + M.offset[i], 'Where ' + from + '\u2019s own stream to ' + to + ' stands. If ' + to + ' has less, it knows that something was lost.']);
  list.push(['ack: ' + M.ack[i], from + ' has every ' + ITEM + ' of ' + to + '\u2019s stream below number ' + M.ack[i] + (isDelta ? '. It rides along and costs no message: a piggybacked ack.' : '.')]);
  if (body.ts !== undefined) list.push(['ts: ' + body.ts, 'What ' + from + '\u2019s own clock shows, in microseconds. It comes back as an echo, and so gives a round trip.']);
  if (body.echo !== undefined) list.push(['echo: ' + body.echo, 'The ts of what came last from ' + to + '.']);
  if (body.held !== undefined) list.push(['held: ' + body.held, 'So many ms ' + from + ' sat on that before this went; they are no part of the round trip.']);
  if (body.next !== undefined) list.push(['next: ' + body.next, 'The next slot: ' + from + ' departs again in so many ms, so what arrives just before goes along.']);
  if (body.every !== undefined) list.push(['every: ' + body.every, 'How far apart the slots are from then on, in ms.']);
  if (namesHoles(i)) list.push(['missing: ' + JSON.stringify(body.missing), 'Holes: these offsets of ' + to + '\u2019s stream have not arrived, though later ones have. They alone are to be sent again.']);
  if (probe[i]) list.push(['probe: true', to + ' is suspect: this asks for an answer at once, and nothing else is sent to it until one comes.']);
  parts.push(el('pre', {textContent: JSON.stringify(messageJson(i)), id: 'json'}), fields(list));
  if (M.count[i]) {
    const chips = el('div', {className: 'chips'}), values = valuesOf(i);
    for (const value of state.all ? values : values.slice(0, 40)) { const chip = el('button', {type: 'button', textContent: label(value)}); chip.setAttribute('aria-label', 'Follow ' + ITEM + ' ' + value); chip.onclick = () => pickValue(value); chips.append(chip); }
    if (values.length > 40) chips.append(more(values.length - 40, () => { state.all = !state.all; showPicked(); $('picked').querySelector('[data-more]').focus(); }, state.all));
    parts.push(el('p', {className: 'small soft', textContent: 'Follow one of its ' + ITEMS + ':'}), chips);
    parts[parts.length - 2].style.margin = '10px 0 4px';
  }
  return parts;
};
const showClient = i => {
  const type = D.requests[C.what[i]];
  const list = [['src: c' + C.client[i], 'The client: it asks this node all the time, one thing after the other.'], ['dest: ' + name(C.node[i]), 'The node that it asks.'],
    ['type: ' + type, {broadcast: '\u201cTell everybody this value.\u201d', read: '\u201cWhat have you heard?\u201d', init: '\u201cThis is your name, and these are all nodes.\u201d', topology: '\u201cYou might talk to these neighbours.\u201d Advice, which hubcast does not take.', stats: '\u201cHow are your links?\u201d', add: '\u201cAdd this.\u201d', echo: '\u201cSay it back.\u201d', generate: '\u201cAn id that nobody else has, please.\u201d', send: '\u201cAppend this to the log of this key.\u201d', poll: '\u201cWhat is in these logs from here on?\u201d', commit_offsets: '\u201cI have got as far as this.\u201d', list_committed_offsets: '\u201cHow far has anybody got?\u201d', txn: '\u201cAll of this at once.\u201d'}[type] || 'Another request.'],
    ['msg_id: ' + C.msg_id[i], 'The answer names this number in in_reply_to.']];
  if (type === ADDS) list.push([(type === 'add' ? 'element: ' : 'message: ') + C.value[i], 'The value to spread.']);
  const parts = [heading('Client c' + C.client[i] + ': ' + type, goTo('go there', asked[i])),
    el('p', {className: 'small soft', textContent: 'Asked at ' + sec(asked[i]) + ', ' + (replied[i] < Infinity ? 'answered after ' + ms(replied[i] - asked[i]) + (C.shown[i] >= 0 ? ' with ' + plural(C.shown[i], ITEM) : '') + '.' : 'not answered.')}),
    el('pre', {textContent: C.asked[i] ? C.asked[i] + (C.answered[i] ? '\n' + C.answered[i] : '') : JSON.stringify(clientJson(i)), id: 'json'}), fields(list)];
  if (type === ADDS) { const button = el('button', {type: 'button', textContent: 'Follow ' + ITEM + ' ' + C.value[i]}); button.onclick = () => pickValue(C.value[i]); button.style.marginTop = '10px'; parts.push(button); }
  return parts;
};
const showNode = node => {
  const t = state.t, total = above(known, t), count = above(held[node], t);
  const rows = neighbours[node].map(other => {
    const now = linkAt(links.get(node * N + other), t);
    const mark = el('td', {textContent: now.suspect ? 'suspect' : 'healthy'});
    if (now.suspect) { mark.style.color = 'var(--cut)'; mark.style.fontWeight = 600; }
    return el('tr', {}, el('td', {textContent: name(other)}), ...[now.unacked, now.acked, now.sent, now.recv].map(number => el('td', {className: 'n', textContent: fmt(number)})), mark);
  });
  const role = D.parent[node] < 0 ? 'the root hub' : neighbours[node].length > 1 ? 'a hub' : 'a leaf of ' + name(D.parent[node]);
  const parts = [heading('Node ' + name(node) + ', ' + role, ''),
    el('p', {className: 'small soft', textContent: 'At ' + sec(t) + ' it holds ' + fmt(count) + ' of ' + plural(total, ITEM) + '. Its links at that moment, worked out from the messages' + (BELIEFS ? '; whom it suspects, from its own log' : '') + ':'})];
  if (D.foreign) return parts.slice(0, 1);
  parts.push(el('div', {className: 'scroll'}, el('table', {id: 'links'}, el('thead', {}, el('tr', {}, el('th', {textContent: 'to', scope: 'col'}), ...['unacked', 'acked', 'sent', 'received'].map(text => el('th', {className: 'n', textContent: text, scope: 'col'})), el('th', {textContent: 'state', scope: 'col'}))), el('tbody', {}, ...rows))),
    el('p', {className: 'small soft', textContent: 'unacked: ' + ITEMS + ' that wait for their ack. acked and sent: offsets in its stream to the neighbour. received: the neighbour\u2019s stream has arrived below this offset. suspect: ' + (BELIEFS ? 'no answer came in time, says ' + name(node) + '\u2019s log, and' : 'a probe went out, and nothing was acked since:') + ' nothing but probes goes there.'}));
  parts[parts.length - 1].style.marginTop = '8px';
  return parts;
};
const showValue = value => {
  const list = spread.get(value);
  if (!list) return [heading(Item + ' ' + value, ''), el('p', {className: 'small soft', textContent: 'This page has no such ' + ITEM + (D.left_out ? ' (see what it left out, above)' : '') + '.'})];
  const [origin, start] = list[0], k = D.items ? -1 : S.value.indexOf(value);
  const body = list.map(([node, t, message]) => {
    const row = el('tr', {}, el('td', {textContent: '+' + ms(t - start)}), el('td', {textContent: name(node)}), el('td'));
    row.children[0].className = 'n';
    if (message >= 0) { const button = el('button', {type: 'button', className: 'text', textContent: KINDS[M.kind[message]] + ' from ' + name(M.src[message])}); button.onclick = () => { pickMessage(message); }; row.children[2].append(button); } else row.children[2].textContent = D.items ? 'made here, or the first to show it' : 'its client c' + node;
    row.className = t <= state.t ? '' : 'later';
    return row;
  });
  return [heading(Item + ' ' + value, goTo('go to its start', start)),
    el('p', {className: 'small soft', textContent: (D.items ? label(value) + '. First seen at ' : 'From the client of ') + name(origin) + ' at ' + sec(start) + '; at ' + (list.length === N ? 'all ' : list.length + ' of ') + N + ' nodes' + (list.length > 1 ? ' after ' + ms(list[list.length - 1][1] - start) : '') + '.' + (k >= 0 ? ' Stable latency, as the clients saw it: ' + ms(S.latency[k]) + '.' : '')}),
    el('div', {className: 'scroll'}, el('table', {id: 'spread'}, el('tbody', {}, ...body)))];
};

// ---- Picking.
const shownKind = () => state.message >= 0 ? 'message' : state.client >= 0 ? 'client' : state.node >= 0 ? 'node' : state.value !== null ? 'value' : '';
let last = '', shownWhat = '';
const showPicked = () => {
  const what = last && (last === 'value' ? state.value !== null : state[last] >= 0) ? last : shownKind();
  const box = $('picked');
  const old = box.querySelector('.scroll'), top = old ? old.scrollTop : 0, outer = what === shownWhat ? box.scrollTop : 0;
  shownWhat = what;
  box.replaceChildren(...(what === 'message' ? showMessage(state.message) : what === 'client' ? showClient(state.client) : what === 'node' ? showNode(state.node) : what === 'value' ? showValue(state.value)
    : [el('h3', {textContent: 'Pick something'}), el('p', {className: 'small soft', textContent: 'A message to read it, a node to see its links, ' + a(ITEM) + ' to watch just that ' + ITEM + ' spread.'})]));
  const scroll = box.querySelector('.scroll'); if (scroll) scroll.scrollTop = top;
  box.scrollTop = outer;
};
const pick = (what, change) => { change(); last = what; showPicked(); dirty = true; };
const pickMessage = i => pick('message', () => { state.message = i; state.client = -1; });
const pickClient = i => pick('client', () => { state.client = i; state.message = -1; });
const pickNode = node => pick('node', () => { state.node = node; state.message = state.client = -1; $('node').value = node; });
const pickValue = value => { pick('value', () => { state.value = value; state.message = state.client = -1; $('value').value = value ?? ''; }); charts.forEach(each => each.draw()); };
const clear = () => { pick('', () => { state.message = state.client = state.node = -1; state.value = null; $('value').value = ''; $('node').value = -1; }); charts.forEach(each => each.draw()); };

// ---- Time.
let dirty = true, words = 0, lastFrame = 0, held0 = 0;
const seek = (t, cursor) => {
  state.t = Math.max(0, Math.min(END, t));
  state.cursor = cursor ?? above(evTime, state.t) - 1;
  state.decision = -1;
  dirty = true; words = 0;
  follow();
  request();
};
// A story's page: its sentences one by one, each with the node and the message that it is about.
const STORY = D.story ? D.story.sentences : [];
const storyTimes = STORY.map(([t]) => t);
// What arrives is still seen there, just before it is taken in.
const storyTime = k => storyTimes[k] - STORY[k][3];
// The sentence of this moment, with its node and its message. What the reader picked stays;
// what the sentence before picked does not.
const choose = (k, picksAll) => {
  const [, node, message] = STORY[k], [, wasNode, wasMessage] = STORY[state.sentence] ?? [];
  const isOwn = (now, was) => !picksAll && now >= 0 && now !== was;
  const ownNode = isOwn(state.node, wasNode), ownMessage = isOwn(state.message, wasMessage) || isOwn(state.client, -1);
  state.sentence = k;
  if (!ownNode) { state.node = node; $('node').value = node; }
  if (!ownMessage) { state.message = message; state.client = -1; }
  if (picksAll || !(ownNode || ownMessage || last === 'value')) last = message >= 0 ? 'message' : node >= 0 ? 'node' : '';
  showPicked();
};
const follow = () => {
  if (!STORY.length || (state.sentence >= 0 && storyTime(state.sentence) === state.t)) return;
  const k = Math.max(0, above(storyTimes, state.t) - 1);
  if (k !== state.sentence) choose(k, false);
};
const stepStory = by => {
  const k = Math.max(0, Math.min(STORY.length - 1, state.sentence + by));
  choose(k, true);
  seek(storyTime(k));
};
// What the author of the story does: the others are what the nodes make of it.
const isAct = ([, , message, , words]) => message < 0 && /^([A-Z]|a client)/.test(words);
// Where the author speaks; of a story without words, where the author does something. Besides its beginning and its end.
const saidBy = STORY.slice(0, -1).some(([, node]) => node < 0) ? ([, node]) => node < 0 : isAct;
const spoken = STORY.flatMap((each, k) => k === 0 || k === STORY.length - 1 || saidBy(each) ? [k] : []);
// To where the author speaks next, or did last.
const stepWord = by => {
  const k = by > 0 ? spoken.find(k => k > state.sentence) : spoken.findLast(k => k < state.sentence);
  pause();
  if (k !== undefined) stepStory(k - state.sentence);
};
const caption = (at, words) => {
  if ($('captionat').textContent !== at) $('captionat').textContent = at;
  if ($('captiontext').textContent !== words) $('captiontext').textContent = words;
};
const tellStory = () => {
  const said = STORY[state.sentence], at = 'Sentence ' + (state.sentence + 1) + ' of ' + STORY.length + ', ' + sec(said[0]);
  // What a node notices or decides has no name in it: in the diagram of the trace the lane tells.
  const [, node, message, , words] = said;
  const own = node >= 0 && message < 0 && !isAct(said) && !words.startsWith(name(node));
  caption(at, (own ? name(node) + ': ' : '') + words + (/[.!?]$/.test(words) ? '' : '.'));
};
const stepBy = by => {
  pause();
  if (STORY.length) return stepStory(by);
  const k = Math.max(0, Math.min(evTime.length - 1, state.cursor + by));
  if (!evTime.length) return;
  if (by < 0 && k === state.cursor) return;
  seek(evTime[k], k);
  const what = evWhat[k], i = evIndex[k];
  if (what <= DROP) { pickMessage(i); } else if (what === ASK || what === REPLY) pickClient(i);
};
// To the next decision: a batch departs, a node notices something, a fault begins or ends.
const decide = by => {
  pause();
  if (STORY.length || !decisions.length) return stepBy(by);
  const at = state.decision, from = Math.round(state.t);
  const k = at >= 0 ? at + by : by > 0 ? above(decisionTimes, from) : above(decisionTimes, from - 1) - 1;
  if (k < 0 || k >= decisions.length) return;
  seek(decisions[k].t);
  state.decision = k;
};
// A link to this moment.
let touched = false, linked = '';
const link = () => {
  const parts = ['t=' + +(state.t / 1e6).toFixed(6)];
  if (state.node >= 0) parts.push('node=' + state.node);
  if (state.value !== null) parts.push('value=' + state.value);
  return '#' + parts.join('&');
};
const writeLink = () => {
  if (state.playing || !touched || linked === link()) return;
  linked = link();
  // A browser may forbid it, or so many in so short a time.
  try { history.replaceState(null, '', linked); } catch { linked = ''; }
};
const readLink = () => {
  const said = new URLSearchParams(location.hash.slice(1)), t = parseFloat(said.get('t')), number = key => said.has(key) && /^\d+$/.test(said.get(key)) ? +said.get(key) : -1;
  if (!(t >= 0) || location.hash === linked) return false;
  pause(); seek(t * 1e6);
  if (number('value') >= 0) pickValue(number('value'));
  const node = number('node');
  if (node >= 0 && node < N && node !== state.node) pickNode(node);
  linked = location.hash;
  return true;
};
let linkTimer = 0;
const play = () => { if (state.t >= END) seek(0); state.playing = true; lastFrame = 0; $('play').textContent = 'Pause'; $('event').setAttribute('aria-live', 'off'); request(); };
const pause = () => { state.playing = false; $('play').textContent = 'Play'; $('event').setAttribute('aria-live', STORY.length ? 'off' : 'polite'); words = 0; dirty = true; request(); };
let requested = false;
const request = () => { if (!requested) { requested = true; requestAnimationFrame(frame); } };
const frame = now => {
  requested = false;
  if (state.playing) {
    const passed = lastFrame ? Math.min(250, now - lastFrame) : 0;
    lastFrame = now; held0 += passed;
    // Who asked for little motion gets still pictures, two a second.
    if (!still.matches || held0 >= 500) {
      state.t = Math.min(END, state.t + (still.matches ? held0 : passed) * 1000 * state.speed); held0 = 0; dirty = true;
      state.cursor = above(evTime, state.t) - 1; state.decision = -1;
      follow();
    }
    if (state.t >= END) pause();
  }
  if (dirty) {
    dirty = false; state.frames++;
    $('clock').textContent = sec(state.t);
    const scrub = $('scrub');
    if (document.activeElement !== scrub || state.playing) scrub.value = state.t / END * 1000; else if (Math.abs(scrub.value / 1000 * END - state.t) > 2) scrub.value = state.t / END * 1000;
    chooseLanes();
    drawTree();
    if (lamportSeen || !state.playing) drawLamport();
    charts.forEach(each => each.move());
    if (!state.playing) { clearTimeout(linkTimer); linkTimer = setTimeout(writeLink, 250); }
    // Words change six times a second at most: they are to be read, and clicked.
    if (!state.playing || now - words > 160) { words = now; tell(); }
  }
  if (state.playing) request();
};
const tell = () => {
  const t = state.t, k = state.cursor;
  $('scrub').setAttribute('aria-valuetext', sec(t));
  const chosen = decisions[state.decision], text = chosen ? chosen.text || eventText(chosen.k) : k >= 0 ? eventText(k) : '';
  const said = text ? text + ' (at ' + sec(chosen ? chosen.t : evTime[k]) + ')' : 'Nothing has happened yet.';
  if ($('event').textContent !== said) $('event').textContent = said;
  if (STORY.length) tellStory(); else caption(sec(chosen ? chosen.t : Math.max(0, evTime[k])), text ? text + '.' : said);
  const now = [];
  for (let f = above(flightStart, t - longest - 1), to = above(flightStart, t); f < to; f++) { const i = flights[f][0]; if (until(flights[f]) > t && (state.value === null || carries(i, state.value))) now.push(f); }
  $('underwayhead').textContent = 'Under way: ' + plural(now.length, 'message') + (state.value === null ? '' : ' with ' + numbered(state.value));
  const focused = document.activeElement && document.activeElement.dataset.message;
  const rows = (state.all ? now : now.slice(0, 5)).map(f => {
    const i = flights[f][0], left = until(flights[f]) - t;
    const button = el('button', {type: 'button', className: 'text', textContent: name(M.src[i]) + ' \u2192 ' + name(M.dest[i]) + ', ' + messageText(i)});
    button.dataset.message = i; button.onclick = () => { pause(); pickMessage(i); };
    const mark = el('span', {className: 'mark', textContent: SIGNS[M.kind[i]]});
    mark.style.color = 'var(--' + INKS[M.kind[i]] + ')'; mark.setAttribute('aria-hidden', 'true');
    return el('li', {}, mark, button, el('span', {className: 'soft small num', textContent: left < Infinity ? ms(Math.round(left / 1000) * 1000) : ''}));
  });
  const wasMore = document.activeElement && document.activeElement.dataset.more && $('underway').contains(document.activeElement);
  if (now.length > 5) rows.push(el('li', {}, more(now.length - 5, () => { state.all = !state.all; tell(); }, state.all)));
  $('underway').replaceChildren(...rows);
  if (focused !== undefined) { const again = $('underway').querySelector('[data-message="' + focused + '"]'); if (again) again.focus({preventScroll: true}); }
  if (wasMore) { const again = $('underway').querySelector('[data-more]'); if (again) again.focus({preventScroll: true}); }
  listNotes();
  const kind = last || shownKind();
  if (kind === 'node' || (kind === 'value' && !state.playing)) showPicked();
  const cut = cutAt(t);
  $('tree').setAttribute('aria-label', 'The tree at ' + sec(t) + ': ' + plural(above(known, t), ITEM) + ' so far, ' + plural(now.length, 'message') + ' under way' + (cut ? ', partition ' + cut.kind + ' with ' + plural(cut.pairs.size, 'direction') + ' of the tree cut' : ', no partition') + (state.doubted ? ', ' + plural(state.doubted, 'link') + ' suspect' : '') + (state.standsIn.length ? ', ' + namesOf(state.standsIn) + ' in the hub\u2019s place' : '') + (state.hub ? '. ' + state.hub : '') + '.');
  lamport.setAttribute('aria-label', 'Space-time diagram of ' + sec(span, 1) + ' around ' + sec(t) + '. The list "Under way" names its messages.');
};

// What is marked in the diagram, for those who read: where the mouse shows a hint, the focus does.
const listNotes = () => {
  const view = lamport.view;
  if (!view || D.foreign) return;
  const inView = [];
  for (let k = above(noteTimes, view.begin - 1); k < notes.length && noteTimes[k] <= view.begin + span; k++) inView.push(k);
  $('noteshead').textContent = 'Events in view: ' + fmt(inView.length);
  const focused = document.activeElement && document.activeElement.dataset.note, wasMore = document.activeElement && document.activeElement.dataset.more && $('notes').contains(document.activeElement);
  const rows = (state.allNotes ? inView : inView.slice(0, 6)).map(k => {
    const note = notes[k], button = el('button', {type: 'button', className: 'text', textContent: noteText(note)});
    button.dataset.note = k;
    button.onfocus = () => { if (state.note !== k) { state.note = k; dirty = true; request(); } };
    button.onblur = () => { if (state.note === k) { state.note = -1; dirty = true; request(); } };
    button.onclick = () => { pause(); seek(note.t); state.decision = decisions.findIndex(each => each.t === note.t && each.text === noteText(note)); };
    const mark = el('span', {className: 'mark', textContent: SIGN[note.what] || 'i'});
    mark.setAttribute('aria-hidden', 'true');
    return el('li', {}, mark, button, el('span', {className: 'soft small num', textContent: sec(note.t)}));
  });
  if (inView.length > 6) rows.push(el('li', {}, more(inView.length - 6, () => { state.allNotes = !state.allNotes; listNotes(); }, state.allNotes)));
  $('notes').replaceChildren(...rows);
  const again = focused !== undefined ? $('notes').querySelector('[data-note="' + focused + '"]') : wasMore ? $('notes').querySelector('[data-more]') : null;
  if (again) again.focus({preventScroll: true});
};

// ---- The verdict, and the wiring.
const verdict = () => {
  $('subtitle').textContent = document.title.replace('hubcast: ', '');
  $('badge').textContent = D.passes ? 'PASS' : 'FAIL';
  $('badge').classList.toggle('bad', !D.passes);
  const text = D.verdict.split('\n').pop().replace(/^(PASS|FAIL): /, '');
  $('verdict').textContent = text[0].toUpperCase() + text.slice(1) + '.';
  $('problems').append(...results.problems.map(problem => el('p', {className: 'note bad', textContent: problem})));
  const figures = [['Messages between nodes per operation', results.msgs_per_op, 2, '', 1], ['Stable latency, median', quant && quant.p50, 0, 'ms', 2], ['Stable latency, maximum', quant && quant.p100, 0, 'ms', 3]];
  for (const [label, value, digits, unit, column] of figures) {
    const box = el('div', {className: 'figure'}, el('div', {className: 'soft small', textContent: label}));
    const big = el('b', {textContent: value === null || value === undefined ? '\u2013' : fmt(value, digits) + (unit ? '\u00A0' : '')});
    if (unit) big.append(el('span', {textContent: unit}));
    box.append(big);
    if (D.limits_apply && value !== null) for (const limit of D.limits) {
      const part = value / limit[column], bar = el('i'); bar.style.width = Math.min(100, part * 100) + '%'; if (part >= 1) bar.className = 'over';
      box.append(el('div', {className: 'bar', ariaHidden: 'true'}, bar), el('div', {className: 'limit'}, el('span', {textContent: limit[0] + ' allows < ' + fmt(limit[column]) + (unit ? ' ' + unit : '')}), el('span', {className: 'num', textContent: part < 1 ? Math.round((1 - part) * 100) + ' % headroom' : 'over'})));
    }
    $('figures').append(box);
  }
  const facts = (id, rows) => $(id).append(...rows.map(([term, text]) => el('div', {}, el('dt', {textContent: term}), el('dd', {textContent: text}))));
  const server = results.server_messages;
  facts('counts', [['Operations', fmt(results.ops) + ', of these ' + (results.broadcasts ? plural(results.broadcasts, 'broadcast') : Object.entries(results.operations).map(([kind, ends]) => fmt(ends.ok + ends.failed + ends.indeterminate) + ' ' + kind).join(', '))], ['Messages between nodes', fmt(server.total)], ['Deltas, acks alone', fmt(server.delta) + ', ' + fmt(server.ack)],
    ['Retransmitted', fmt(server.retransmitted)], ['Dropped', fmt(server.dropped)], ...(server.duplicated ? [['Duplicated', fmt(server.duplicated)]] : []), ...(results.item ? [[Items + ' lost', fmt(results.lost.length)]] : []), ['Availability', results.availability === null ? '\u2013' : Math.floor(results.availability * 1e4) / 100 + ' %'], ['Timeouts', fmt(results.timeouts)],
    ...(results.quiet_after_ms !== null && results.quiet_after_ms !== undefined ? [['Silent after', (results.quiet_after_ms / 1000).toFixed(2) + ' s without work']] : [])]);
  facts('settings', D.settings.map(([term, text]) => [term[0].toUpperCase() + term.slice(1), text]));
  if (results.faults.length) {
    // Where there are partitions alone the words are theirs.
    const alone = results.faults.length === results.partitions.length;
    // Where every fault was too short nothing is said of what spread meanwhile.
    const spread = results.faults.some(each => each.given);
    const rows = results.faults.map((each, k) => {
      const go = el('td'); const start = el('button', {type: 'button', className: 'text', textContent: alone ? 'the cut' : 'the start'}), end = el('button', {type: 'button', className: 'text', textContent: alone ? 'the heal' : 'the end'});
      const there = t => { if ($('replay').getBoundingClientRect) $('replay').scrollIntoView(); seek(t); };
      start.onclick = () => there(each.start_s * 1e6); end.onclick = () => there((each.end_s ?? each.start_s) * 1e6);
      start.setAttribute('aria-label', 'Watch ' + (alone ? 'cut ' : 'start ') + (k + 1)); end.setAttribute('aria-label', 'Watch ' + (alone ? 'heal ' : 'end ') + (k + 1));
      go.append(start, ' ', end);
      return el('tr', {}, el('td', {textContent: (alone ? '' : each.fault + ' ') + each.kind}), ...[each.start_s.toFixed(1) + ' s', each.end_s === null ? '\u2013' : each.end_s.toFixed(1) + ' s', each.recovery_ms === null ? '\u2013' : fmt(each.recovery_ms) + ' ms', ...(spread ? [each.given ? fmt(each.reached) + ' of ' + fmt(each.given) : '\u2013', ...[each.spread_median_ms, each.spread_max_ms].map(time => time === null ? '\u2013' : fmt(time) + ' ms')] : [])].map(text => el('td', {className: 'n', textContent: text})), go);
    });
    $('partitions').append(el('hr', {className: 'rule'}), el('div', {className: 'scroll'}, el('table', {}, el('thead', {}, el('tr', {}, el('th', {textContent: alone ? 'Partition' : 'Fault', scope: 'col'}), ...[...(alone ? ['cut', 'healed'] : ['start', 'end']), 'recovery', ...(spread ? ['reached', 'median', 'maximum'] : [])].map(text => el('th', {className: 'n', textContent: text, scope: 'col'})), el('th', {textContent: 'watch', scope: 'col'}))), el('tbody', {}, ...rows))));
    $('partitions').append(el('p', {className: 'soft small', textContent: 'Recovery: from the ' + (alone ? 'heal' : 'end') + ' until every node, asked for it, shows every ' + ITEM + ' accepted before it.' + (results.item ? '' : ' Without a figure where nothing that a node answers could show it.') + (spread ? ' Reached: ' + ITEMS + ' that all connected nodes held before the ' + (alone ? 'heal' : 'end') + ', of those given meanwhile, its first and last seconds left out; and the time that this took.' : '')}));
    $('partitions').lastChild.style.margin = '6px 0 0';
  }
  if (D.left_out) $('leftout').append(el('p', {className: 'note', textContent: D.left_out}));
  $('foot').textContent = 'Made by hubcast\u2019s testbed from results.json and messages.jsonl beside this file. ' + fmt(evTime.length) + ' events. Links, batches and backlog are worked out from the messages. ' + (D.foreign ? '' : BELIEFS ? 'Whom a node suspects it says itself: that is from its log (node-logs/).' + (results.virtual ? '' : ' A line of a real node has the time at which the testbed read it.') + ' ' : 'Whom a node suspects is worked out, too: only a suspect is sent a probe. ') + 'A client\u2019s messages take no time and are drawn for ' + CLIENT_SHOWN / 1000 + ' ms.';
};
const wireNotes = () => {
  $('notesbox').hidden = !notes.length;
  if (D.foreign) return;
  const has = (...whats) => notes.some(note => whats.includes(note.what));
  const rows = [...(departures.length ? [['batch', 'a hub\u2019s batch, from its first ' + ITEM + ' to its departure']] : []), ...(ups.some(dir => dir.batches.length) ? [['waits', ITEMS + ' that wait on a leaf']] : []),
    ...(slotsOf.some(list => list.length) ? [['slot', 'a slot that the hub announced']] : []), ...(doubts.some(list => list.length > 1) ? [['doubt', 'the node suspects somebody']] : [])];
  const signs = [['suspect', 'suspect', 'suspect'], ['\u2713', 'healthy', 'healthy'], ['!', 'good news: healthy, so other suspects are probed', 'news'], ['\u21BB', 'restart, new incarnation', 'start', 'restarted', 'raised', 'restored'], ['\u2261', 'digest (sync)', 'sync'], ['P', 'the promise broken, or kept again', 'promise-broken', 'promise-kept'], ['S', 'a stand-in for the hub is found', 'stand-in']];
  $('laneslegend').append(...rows.map(([what, text]) => key(what, text)), ...signs.filter(([, , ...whats]) => has(...whats)).map(([sign, text]) => el('li', {}, el('span', {className: 'sign', textContent: sign === 'suspect' ? '?' : sign, ariaHidden: 'true'}), text)));
  const tip = $('lamporttip');
  const hide = () => { tip.style.display = 'none'; };
  lamport.addEventListener('pointerleave', hide);
  lamport.addEventListener('pointermove', event => {
    const box = lamport.getBoundingClientRect(), [x, y] = pointer(event, lamport);
    const best = event.buttons ? null : markAt(x, y);
    if (!best) return hide();
    tip.textContent = best.hint || (best.message >= 0 ? name(M.src[best.message]) + ' \u2192 ' + name(M.dest[best.message]) + ': ' + messageText(best.message) : 'c' + C.client[best.client] + ': ' + FIRST);
    tip.style.display = 'block';
    tip.style.left = Math.max(0, Math.min(box.width - tip.offsetWidth, x + 12)) + 'px'; tip.style.top = Math.max(0, y - tip.offsetHeight - 10) + 'px';
  });
};
// What is drawn at a place of the diagram: the nearest, badges and bars before strokes.
const markAt = (x, y) => {
  let best = null, least = 9;
  for (const m of lamportMarks) {
    const dx = m.x2 - m.x1, dy = m.y2 - m.y1, length = dx * dx + dy * dy;
    const along = length ? Math.max(0, Math.min(1, ((x - m.x1) * dx + (y - m.y1) * dy) / length)) : 0;
    const away = Math.hypot(m.x1 + along * dx - x, m.y1 + along * dy - y);
    if (m.hint && away > m.reach + 1) continue;
    const d = m.note >= 0 ? away / 8 : m.hint ? 2 + away / 8 : away + (m.back ? 5 : 0);
    if (d < least) { least = d; best = m; }
  }
  return best;
};
// How to have this page's run or story once more.
const again = command => {
  $('command').textContent = command;
  $('copy').onclick = async () => {
    let done = false;
    try { await navigator.clipboard.writeText(command); done = true; } catch {
      const range = document.createRange(); range.selectNodeContents($('command'));
      getSelection().removeAllRanges(); getSelection().addRange(range);
    }
    $('copy').textContent = done ? 'Copied' : 'Selected'; setTimeout(() => { $('copy').textContent = 'Copy'; }, 1500);
  };
};
// A story is no run: there is nothing to judge and nothing to measure.
const asStory = () => {
  for (const id of ['results', 'graphs', 'verdict', 'badge']) $(id).hidden = true;
  $('event').parentNode.hidden = true; document.body.classList.add('story');
  $('h-again').textContent = 'Its text, to change and to tell again'; $('script').hidden = false; $('script').textContent = D.story.script;
  $('subtitle').textContent = D.story.command;
  $('h-replay').textContent = 'The story';
  $('replaynote').textContent = 'The arrow keys, or those for pages, go from sentence to sentence; the space bar plays it. The node and the message that a sentence is about are marked. A node fills with its share of all ' + ITEMS + ' there are so far.';
  $('before').hidden = $('next').hidden = true;
  $('back').textContent = '\u2190 Back'; $('step').textContent = 'Next \u2192'; $('decides').textContent = 'from sentence to sentence'; $('leaps').textContent = 'to the author\u2019s next word';
  $('single').hidden = true;
  for (const [id, words] of [['back', 'Sentence before'], ['step', 'Next sentence']]) { $(id).title = words; $(id).setAttribute('aria-label', words); }
  $('foot').textContent = 'Made by hubcast\u2019s testbed: ' + D.story.command + '. A client\u2019s messages take no time and are drawn for ' + CLIENT_SHOWN / 1000 + ' ms.';
};
// What stands in the page's words and legends.
const wireWords = () => {
  $('item').textContent = Item;
  if (D.items) $('share').textContent = ' Not every ' + ITEM + ' goes to all: a newer one may take its place, and what the hub decides goes to the hub.';
  document.querySelectorAll('.items').forEach(each => { each.textContent = ITEMS; });
  const legend = [['delta', 'delta'], ['ack', 'ack alone'], ['again', 'retransmission'], ['client', 'client'], ...(results.server_messages.dropped ? [['drop', 'dropped']] : []), ...(cuts.length ? [['cut', 'cut, which no node can see']] : []), ...(doubts.some(list => list.length > 1) ? [['suspect', 'suspect: what the node beside it believes']] : []), ...(ties.size ? [['tie', 'stands in for the hub, and for whom']] : []), ['node', 'holds this share'], ...(D.foreign ? [] : [['ring talking', 'time left until it departs'], ['stack talking', ITEMS + ' that wait there']])];
  if (M.kind.includes(OTHER)) legend.splice(3, 0, ['other', 'other']);
  if (M.kind.includes(SYNC)) legend.splice(3, 0, ['sync', 'digest (sync)']);
  if (M.kind.includes(HOLE)) legend.splice(3, 0, ['hole', 'asks for a resend']);
  $('legend').append(...legend.map(([what, text]) => key(what, text)));
  const absent = [...(troubles.some(each => each.dead) ? ['\u2715 dead'] : []), ...(troubles.some(each => !each.dead) ? ['\u2016 paused'] : [])];
  if (absent.length) $('legend').append(...[...absent, STORY.length ? 'what comes for a dead node is dropped' : 'what comes for an absent node waits, ten messages at most'].map(textContent => el('li', {textContent})));
  if (lanes.length > LANES) { $('lanenote').hidden = false; $('lanenote').textContent = 'It shows the first ' + LANES + ' of ' + lanes.length + ' nodes.'; }
};
// Buttons, lists and the timeline.
const wireControls = () => {
  const speeds = [.01, .02, .05, .1, .25, .5, 1, 2, 5];
  $('speed').append(...speeds.map(speed => el('option', {value: speed, textContent: speed < 1 ? '1/' + Math.round(1 / speed) : speed + '\u00D7', selected: speed === state.speed})));
  $('speed').onchange = () => { state.speed = +$('speed').value; };
  $('node').append(el('option', {value: -1, textContent: 'any'}), ...Array.from({length: N}, (_, node) => el('option', {value: node, textContent: name(node)})));
  $('node').onchange = () => { const node = +$('node').value; if (node >= 0) pickNode(node); else { state.node = -1; last = ''; showPicked(); dirty = true; } request(); };
  const value = () => { const text = $('value').value; if (text === '') { state.value = null; pickValue(null); last = ''; showPicked(); } else { const wanted = Math.trunc(+text); pickValue(wanted); const list = spread.get(wanted); if (list) { pause(); seek(list[0][1]); } } request(); };
  $('value').onchange = value;
  $('clear').onclick = () => { clear(); request(); };
  const jumps = [[0, 'the start']];
  if (known.length) jumps.push([Math.max(0, known[0] - 1000), 'the first ' + ITEM]);
  troubles.forEach(each => jumps.push([Math.max(0, each.start - 100000), (each.dead ? 'kill, ' : 'pause, ') + each.kind]));
  cuts.forEach((cut, k) => { jumps.push([Math.max(0, cut.start - 100000), 'cut ' + (k + 1) + ', ' + cut.kind]); if (cut.end < Infinity) jumps.push([Math.max(0, cut.end - 100000), 'heal ' + (k + 1)]); });
  jumps.sort((a, b) => a[0] - b[0]);
  $('jump').append(...[['', 'a moment\u2026'], ...jumps].map(([at, text]) => el('option', {value: at, textContent: text})));
  $('jump').onchange = () => { if ($('jump').value !== '') seek(+$('jump').value); $('jump').value = ''; };
  $('play').onclick = () => state.playing ? pause() : play();
  $('back').onclick = () => stepBy(-1);
  $('step').onclick = () => stepBy(1);
  $('before').onclick = () => decide(-1);
  $('next').onclick = () => decide(1);
  $('scrub').addEventListener('input', () => seek($('scrub').value / 1000 * END));
  $('span').append(...[[5e5, '0.5 s'], [1e6, '1 s'], [2e6, '2 s'], [5e6, '5 s']].map(([time, text]) => el('option', {value: time, textContent: text, selected: time === span})));
  $('span').onchange = () => { span = +$('span').value; dirty = true; request(); };
};
// A click in the tree picks.
const wireTree = () => {
  $('tree').addEventListener('click', event => {
    const [x, y] = pointer(event, $('tree'));
    let best = null, least = 15 ** 2;
    for (const mark of marks) { const d = (mark.x - x) ** 2 + (mark.y - y) ** 2; if (d < least) { least = d; best = mark; } }
    if (best) { pause(); if (best.message >= 0) pickMessage(best.message); else pickClient(best.client); return request(); }
    const g = treeGeometry;
    for (let node = 0; node < N; node++) { const d = (g.cx + place[2 * node] * g.scale - x) ** 2 + (g.cy + place[2 * node + 1] * g.scale - y) ** 2; if (d < Math.max(g.radius * 1.4, 10) ** 2) { pickNode(node); return request(); } }
    clear(); request();
  });
};
// In the diagram a drag moves time, a click picks.
const wireDiagram = () => {
  let drag = null;
  lamport.addEventListener('pointerdown', event => { drag = {x: event.clientX, t: state.t, moved: false}; });
  lamport.addEventListener('pointermove', event => {
    if (!drag || !(event.buttons & 1)) return;
    const by = event.clientX - drag.x;
    if (Math.abs(by) > 4) { drag.moved = true; lamport.setPointerCapture(event.pointerId); }
    if (drag.moved) seek(drag.t - by / zoom / (lamport.view.right - lamport.view.left) * span);
  });
  lamport.addEventListener('pointerup', event => {
    const moved = drag && drag.moved; drag = null;
    if (moved) return;
    const [x, y] = pointer(event, lamport);
    const best = markAt(x, y);
    if (!best) return;
    pause();
    if (best.message >= 0) pickMessage(best.message); else if (best.client >= 0) pickClient(best.client); else if (best.note >= 0) { seek(notes[best.note].t); pickNode(notes[best.note].node); }
    request();
  });
};
const wireKeys = () => {
  for (const what of ['keydown', 'pointerdown']) addEventListener(what, () => { touched = true; }, {capture: true});
  addEventListener('hashchange', readLink);
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target, typing = target.matches('input[type=number], select'), scrubbing = target === $('scrub');
    const at = event.key;
    if (at === 'Escape') { if (talk) setTalk(false); else clear(); request(); return; }
    if (typing) return;
    if (at === ' ' && !target.matches('button, summary')) { event.preventDefault(); if (state.playing) pause(); else play(); }
    else if (at === 't' || at === 'T') setTalk(!talk);
    else if ((STORY.length || talk) && (at === 'PageDown' || at === 'PageUp')) { event.preventDefault(); decide(at === 'PageDown' ? 1 : -1); }
    else if (at === 'ArrowRight' || at === 'ArrowLeft') {
      const by = at === 'ArrowRight' ? 1 : -1;
      event.preventDefault();
      if (event.shiftKey && STORY.length) stepWord(by);
      else if (event.shiftKey || scrubbing) seek(state.t + by * (event.shiftKey ? 1e6 : 1e5)); else decide(by);
    } else if (at === '.' || at === ',') stepBy(at === '.' ? 1 : -1);
    else if (at === 'h' || at === 'H') { const ends = [...cuts, ...absences.flat()].map(each => each.end).filter(end => end < Infinity).sort((a, b) => a - b), next = ends.find(end => end - 1e5 > state.t + 1) ?? ends[0]; if (next !== undefined) seek(Math.max(0, next - 1e5)); } else if (at === '[' || at === ']') { const select = $('speed'); select.selectedIndex = Math.max(0, Math.min(speeds.length - 1, select.selectedIndex + (at === ']' ? 1 : -1))); state.speed = +select.value; }
    else if (at === 'p' || at === 'P') { const next = cuts.find(cut => cut.start - 1e5 > state.t + 1) || cuts[0]; if (next) seek(Math.max(0, next.start - 1e5)); }
  });
};
// Light or dark; and drawing anew when the page's size changes or the diagram comes into view.
const wireLook = () => {
  const themes = ['system', 'light', 'dark'];
  let theme = 'system';
  try { theme = localStorage.getItem('hubcast-colours') || 'system'; } catch { /* A browser may forbid it. */ }
  const setTheme = () => {
    if (theme === 'system') delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = theme;
    $('themes').textContent = 'Colours: ' + theme; $('themes').setAttribute('aria-label', 'Colours: ' + theme + '. Press to change.');
    redraw();
  };
  $('themes').onclick = () => { theme = themes[(themes.indexOf(theme) + 1) % 3]; try { localStorage.setItem('hubcast-colours', theme); } catch { /* As above. */ } setTheme(); };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => redraw());
  new ResizeObserver(() => redraw()).observe(document.documentElement);
  new IntersectionObserver(entries => { lamportSeen = entries[entries.length - 1].isIntersecting; if (lamportSeen) { dirty = true; request(); } }, {rootMargin: '80px'}).observe(lamport);
  if (!themes.includes(theme)) theme = 'system';
  setTheme();
};
// The diagram shows less at once.
const setTalk = on => { talk = on; span = on ? 1e6 : +$('span').value; document.body.classList.toggle('talk', on); scrollTo(0, 0); redraw(); };
const redraw = () => {
  zoom = talk ? Math.min(innerWidth / 1280, innerHeight / 800) : 1;
  document.body.style.setProperty('--zoom', zoom);
  readInks(); drawOverview(); charts.forEach(each => each.draw()); dirty = true; request();
};
if (D.story) asStory(); else { verdict(); buildCharts(); }
again(D.story ? D.story.command : D.command);
showPicked();
// Open at a moment where there is something to see; a story at its beginning.
if (STORY.length) stepStory(0); else {
  // When the hub has just sent to all its leaves, a second after the first value or the first cut.
  const from = cuts.length ? cuts[0].start + 250000 : (known[0] || 0) + 1e6;
  let best = from, most = 0;
  for (let i = above(sent, from), k = i; i < COUNT && sent[i] < from + 5e5; i++) {
    while (sent[k] < sent[i] - 5000) k++;
    if (i - k > most) { most = i - k; best = sent[i]; }
  }
  seek(Math.min(best + D.latency * .45, END));
}
wireWords();
wireNotes();
wireControls();
wireTree();
wireDiagram();
wireKeys();
wireLook();
readLink();
// For ./run.sh test-page: what is where, without reading pixels.
window.hubcast = {
  get time() { return state.t; }, get frames() { return state.frames; }, get playing() { return state.playing; }, get end() { return END; },
  get picked() { return {message: state.message, client: state.client, node: state.node, value: state.value}; },
  get cuts() { return cuts.map(cut => [cut.start, cut.end]); },
  seek, marks: () => marks, messages: COUNT, get sentence() { return state.sentence; }, get said() { return STORY[state.sentence]; }, notes, fates: fate, pick: pickMessage, way: i => ({dest: M.dest[i], arrive: arrive[i]}), absences, departures, suspectsAt, ups, downs, get note() { return state.note; }, get slots() { return slotsOf; }, get lamport() { return lamportMarks; }, get lanes() { return [...laneOf.keys()]; }, spoken, kinds: M.kind,
  nodeAt: node => [treeGeometry.cx + place[2 * node] * treeGeometry.scale, treeGeometry.cy + place[2 * node + 1] * treeGeometry.scale],
};
})();

//! When the machine gave the run no processor.
//!
//! A run on the real clock measures the nodes *and* the machine. On a busy one a node
//! that is ready to run waits for a processor, and what it says is late through no
//! fault of its own. Such a wait is a [`Stall`], and what it may have delayed is not
//! judged.
//!
//! A thread looks every `LOOK`. The testbed's own stalls show anywhere: the thread wakes
//! up late. Those of the nodes show where the system tells them, on Linux in
//! `/proc/PID/task/TID/schedstat`: nanoseconds on a processor, nanoseconds spent waiting
//! for one.
//!
//! A node could hide its slowness behind stalls of its own making, by keeping all
//! processors busy. So a stall counts only if the nodes, with all threads and processes
//! of their groups, took less than a quarter of what all processors could do in that time.
//! A node that sleeps waits for no processor: that is no stall at all.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as Clock};

use hubcast::time::Instant;

/// The longest wait for a processor that is no stall.
///
/// Unit: time. What the promise allows a real
/// machine to be late.
pub const MARGIN: Duration = Duration::from_millis(10);

/// How often the thread looks. Unit: time. Some times the margin, so that many short
/// waits do not add up to it, and short enough to say when a stall was.
const LOOK: Duration = Duration::from_millis(40);

/// How often it looks for new threads and processes of the nodes. Unit: time. That reads
/// all of `/proc`.
const SEARCH: Duration = Duration::from_secs(1);

/// How many looks are remembered. Unit: looks. Those of a second: longer waits are judged
/// by their last second.
const LOOKS: usize = 25;

/// The testbed, or a node, got no processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// The node; `None`: the testbed.
    pub node: Option<usize>,
    /// When it was over, at the latest. It began at most a `LOOK` and its time before.
    pub end: Instant,
    /// How long it waited.
    pub time: Duration,
}

impl Stall {
    /// When it began, at the earliest.
    pub fn start(&self) -> Instant {
        Instant::ZERO + (self.end - Instant::ZERO).saturating_sub(self.time + LOOK)
    }
}

/// Looks for stalls until it is dropped.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The nodes' process groups.
    groups: Mutex<Vec<u32>>,
    stalls: Mutex<Vec<Stall>>,
    is_over: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Watches a run that began then. Without a thread nothing is seen.
    pub fn start(began: Clock) -> Watch {
        let shared = Arc::new(Shared::default());
        let mine = Arc::clone(&shared);
        let thread = thread::Builder::new().spawn(move || mine.look(began));
        Watch {
            shared,
            thread: thread.ok(),
        }
    }

    /// From now on the node is the leader of this process group.
    pub fn follow(&self, node: usize, group: u32) {
        let mut groups = locked(&self.shared.groups);
        if groups.len() <= node {
            groups.resize(node + 1, 0);
        }
        groups[node] = group;
    }

    /// What was seen so far.
    pub fn stalls(&self) -> Vec<Stall> {
        locked(&self.shared.stalls).clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn look(&self, began: Clock) {
        let processors = thread::available_parallelism().map_or(1, usize::from) as u32;
        let mut watched = Watched::default();
        let mut searched = None;
        let mut groups = Vec::new();
        let mut looks = VecDeque::new();
        while !self.is_over.load(Ordering::Relaxed) {
            let asleep = Clock::now();
            thread::sleep(LOOK);
            let late = asleep.elapsed().saturating_sub(LOOK);
            let is_new = *locked(&self.groups) != groups;
            if is_new || searched.is_none_or(|at: Clock| at.elapsed() > SEARCH) {
                groups.clone_from(&locked(&self.groups));
                watched.search(&groups);
                searched = Some(Clock::now());
            }
            let (waits, used) = watched.look();
            looks.push_front([used, asleep.elapsed()]);
            looks.truncate(LOOKS);
            let own = waits.get(&None).copied().unwrap_or_default().max(late);
            let others = waits.into_iter().filter(|(node, _)| node.is_some());
            let waits = others.chain([(None, own)]);
            let end = Instant::ZERO + began.elapsed();
            let found = waits.map(|(node, time)| Stall { node, end, time });
            let found = found.filter(|stall| is_machines(stall.time, &looks, processors));
            locked(&self.stalls).extend(found);
        }
    }
}

/// Whether a wait is a stall, and the machine's. While it lasted, the nodes were on a
/// processor for less than a quarter of the time that its processors have. Of each look,
/// the last one first, `looks` holds two times: how long the nodes were on a processor, and
/// how long ago the look before was.
fn is_machines(wait: Duration, looks: &VecDeque<[Duration; 2]>, processors: u32) -> bool {
    // The system tells of a wait when it is over, so it may be longer than one look.
    let (mut used, mut time) = (Duration::ZERO, Duration::ZERO);
    for [look_used, look_time] in looks {
        (used, time) = (used + *look_used, time + *look_time);
        if time >= wait {
            break;
        }
    }
    wait > MARGIN && used < time.min(wait) * processors / 4
}

/// The threads of the testbed and of the nodes, by the files that tell of them.
#[derive(Debug, Default)]
struct Watched {
    /// Whose it is, and for how long it was on a processor and waited for one.
    threads: BTreeMap<String, (Option<usize>, [u64; 2])>,
}

/// The members of a folder that are numbers.
fn numbers(folder: &str) -> Vec<u32> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.collect()
}

/// The process group of a process, from the text that Linux has of it.
fn group(stat: &str) -> Option<u32> {
    // The name in brackets may hold anything; behind it: state, parent, group.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(2)?.parse().ok()
}

/// A thread's two times, in nanoseconds.
fn times(schedstat: &str) -> Option<[u64; 2]> {
    let mut numbers = schedstat.split_whitespace().map(str::parse);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
}

fn read(path: &str) -> Option<[u64; 2]> {
    times(&std::fs::read_to_string(path).ok()?)
}

impl Watched {
    /// Looks for all threads of these groups, one a node, and for the testbed's first,
    /// which carries the messages.
    fn search(&mut self, groups: &[u32]) {
        let own = std::process::id();
        let mut found = BTreeMap::new();
        for process in numbers("/proc") {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
            let group = stat.ok().as_deref().and_then(group);
            let node = groups.iter().position(|&known| Some(known) == group);
            let threads = match node {
                _ if process == own => vec![own],
                Some(_) => numbers(&format!("/proc/{process}/task")),
                None => continue,
            };
            for thread in threads {
                let path = format!("/proc/{process}/task/{thread}/schedstat");
                let known = self.threads.get(&path).map(|(_, times)| *times);
                if let Some(times) = known.or_else(|| read(&path)) {
                    found.insert(path, (node, times));
                }
            }
        }
        self.threads = found;
    }

    /// Since the last look: the longest wait of each node's and the testbed's threads, and
    /// for how long the nodes' were on a processor.
    fn look(&mut self) -> (BTreeMap<Option<usize>, Duration>, Duration) {
        let (mut waits, mut used) = (BTreeMap::new(), Duration::ZERO);
        for (path, (node, before)) in &mut self.threads {
            let Some(now) = read(path) else { continue };
            let [ran, waited] = [0, 1].map(|at| now[at].saturating_sub(before[at]));
            let longest: &mut Duration = waits.entry(*node).or_default();
            *longest = Duration::from_nanos(waited).max(*longest);
            if node.is_some() {
                used += Duration::from_nanos(ran);
            }
            *before = now;
        }
        (waits, used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_wait_is_the_machines_unless_the_nodes_themselves_kept_it_busy() {
        let looks = |used: &[u64]| used.iter().map(|&used| [ms(used), ms(40)]).collect();
        assert!(is_machines(ms(12), &looks(&[5, 80, 80]), 2));
        let busy = &looks(&[6]);
        assert!(!is_machines(ms(12), busy, 2), "a quarter of two processors");
        assert!(is_machines(ms(12), &looks(&[20]), 8));
        assert!(!is_machines(ms(10), &looks(&[0]), 2), "within the margin");
        assert!(is_machines(ms(90), &looks(&[14, 14, 14, 80]), 2));
        let busy = &looks(&[0, 30, 30, 0]);
        assert!(!is_machines(ms(90), busy, 2), "busy while it waited");
    }

    #[test]
    fn what_the_system_tells_is_read_whatever_a_process_is_called() {
        let stat = "4711 (a node) of (mine)) S 1 4700 4700 0 -1";
        assert_eq!(group(stat), Some(4700));
        assert_eq!(group("nonsense"), None);
        assert_eq!(times("1200345 88000 17\n"), Some([1_200_345, 88_000]));
        assert_eq!(times(""), None);
    }

    #[test]
    fn a_stall_began_as_long_before_its_end_as_it_took_and_a_look_more() {
        let stall = |end| Stall {
            node: None,
            end: Instant::from_millis(end),
            time: ms(60),
        };
        assert_eq!(stall(500).start(), Instant::from_millis(400));
        assert_eq!(stall(50).start(), Instant::ZERO);
    }
}

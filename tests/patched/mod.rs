//! A copy of the sources with one place patched: nothing of it is in what is shipped.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What stands right in the sources, once, and what stands there instead in the copy.
pub struct Patch {
    pub mistake: &'static str,
    pub file: &'static str,
    pub right: &'static str,
    pub wrong: &'static str,
}

/// Each mechanism of the protocol, switched off. `./run.sh ablation` shows what it is for,
/// `./run.sh mutants` that a test or the torture notices.
pub const MECHANISMS: &[Patch] = &[
    Patch {
        mistake: "a batch departs when its newest item must",
        file: "src/gossip/timetable.rs",
        right: "oldest.min(given)",
        wrong: "oldest.max(given)",
    },
    Patch {
        mistake: "no child tells how long its items have waited",
        file: "src/gossip.rs",
        right: "true => segment.waited = (self.now - self.departed).as_millis() as u64,",
        wrong: "true => {}",
    },
    Patch {
        mistake: "what is sent again does not say that it is late",
        file: "src/gossip.rs",
        right: "true if resent => segment.waited = LONG_AGO,",
        wrong: "",
    },
    Patch {
        mistake: "what is late already gathers no company",
        file: "src/gossip/timetable.rs",
        right: "let was_lost = waited > self.within;",
        wrong: "let was_lost = false;",
    },
    Patch {
        mistake: "no slots",
        file: "src/gossip/timetable.rs",
        right: "self.slots = self.prefers_slots().then(",
        wrong: "self.slots = (self.prefers_slots() && false).then(",
    },
    Patch {
        mistake: "what has missed its slot waits for the next one",
        file: "src/gossip/timetable.rs",
        right: "let slot = slot.filter(|slot| *slot <= latest);",
        wrong: "let _ = latest;",
    },
    Patch {
        mistake: "what was long on its way has not waited there",
        file: "src/gossip/timetable.rs",
        right: "let given = now - waited - late;",
        wrong: "let given = now - waited - late * 0;",
    },
    Patch {
        mistake: "what comes early for a slot does not wait for it",
        file: "src/gossip/timetable.rs",
        right: "oldest + self.left(network) + MARGIN;",
        wrong: "oldest + self.left(network).min(self.lazy_period(Duration::ZERO));",
    },
    Patch {
        mistake: "the worst link's strays are everybody's",
        file: "src/gossip/timetable.rs",
        right: "strays: strays / measured.len() as u32,",
        wrong: "strays: strays.max(measured.iter().map(|trip| trip.strays()).max()?),",
    },
    Patch {
        mistake: "an uneven network may take the whole promise",
        file: "src/gossip/timetable.rs",
        right: ".max(quick.mul_f64(KEPT))",
        wrong: "",
    },
    Patch {
        mistake: "the first item of all waits with the others",
        file: "src/gossip.rs",
        right: "self.neighbours[child].link.elicit_ack();\n            self.touched.insert(child);",
        wrong: "let _ = child;",
    },
    Patch {
        mistake: "no segment tells where its stream begins",
        file: "src/link.rs",
        right: "self.incoming.begin(segment.una)",
        wrong: "self.incoming.begin(0)",
    },
    Patch {
        mistake: "who was asked while it asked is not asked again",
        file: "src/link/anti_entropy.rs",
        right: "self.question = self.level.is_none().then_some(Question::HowFar);",
        wrong: "self.question = None;",
    },
    Patch {
        mistake: "a promise of a digest has no timer",
        file: "src/link/loss.rs",
        right: "!self.flights.is_empty() || self.is_behind()",
        wrong: "!self.flights.is_empty()",
    },
    Patch {
        mistake: "an ack is held back for nobody",
        file: "src/link.rs",
        right: "self.ack_at.get_or_insert(now + self.ack_delay);",
        wrong: "self.ack_at.get_or_insert(now);",
    },
    Patch {
        mistake: "the ack's delay is taken for the network's",
        file: "src/link/loss.rs",
        right: "let held = Duration::from_millis(segment.held);",
        wrong: "let held = Duration::ZERO;",
    },
    Patch {
        mistake: "a first sample that ends a silence is believed",
        file: "src/link/round_trip.rs",
        right: "(!was_dead || time <= INITIAL)",
        wrong: "(!was_dead || time > Duration::ZERO)",
    },
    Patch {
        mistake: "one long round trip counts in full",
        file: "src/link/round_trip.rs",
        right: "let time = time.min(self.smoothed * OUTLIER);",
        wrong: "",
    },
    Patch {
        mistake: "one stop of this node is many samples",
        file: "src/link/loss.rs",
        right: " || self.measured_at == Some(now)",
        wrong: "",
    },
    Patch {
        mistake: "before a measure tries are as far apart as guessed",
        file: "src/link/loss.rs",
        right: "false => self.trip.spread(),",
        wrong: "false => self.trip.longest(),",
    },
    Patch {
        mistake: "a hole is never named",
        file: "src/link/incoming.rs",
        right: "due.take(MAX_NAMED)",
        wrong: "due.take(MAX_NAMED * 0)",
    },
    Patch {
        mistake: "a hole is named again and again as often",
        file: "src/link/incoming.rs",
        right: "hole.wait = (hole.wait + trip)",
        wrong: "hole.wait = trip",
    },
    Patch {
        mistake: "a hole that is named is sent again, however young",
        file: "src/link/loss.rs",
        right: "age >= quick && ",
        wrong: "age >= quick * 0 && ",
    },
    Patch {
        mistake: "an ack that is overdue shows no loss",
        file: "src/link/loss.rs",
        right: "let mut overdue = true;",
        wrong: "let mut overdue = false;",
    },
    Patch {
        mistake: "after a loss nothing is repeated unasked",
        file: "src/link.rs",
        right: "let start = if self.repeats(count) { una } else { nxt };",
        wrong: "let start = if self.repeats(count) { nxt } else { nxt };",
    },
    Patch {
        mistake: "tries do not back off",
        file: "src/link/loss.rs",
        right: "timeout.saturating_mul(1 << tries.min(20)).min(BACKOFF_CAP)",
        wrong: "timeout.saturating_mul(1 << tries.min(0)).min(BACKOFF_CAP)",
    },
    Patch {
        mistake: "a sign of life is ignored",
        file: "src/link.rs",
        right: "maybe of one direction only: a suspect is tried.\n            self.probe(now);",
        wrong: "",
    },
    Patch {
        mistake: "good news is ignored",
        file: "src/gossip/suspects.rs",
        right: "for &suspect in &self.suspects {",
        wrong: "for &suspect in self.suspects.iter().take(0) {",
    },
    Patch {
        mistake: "suspects are not probed in rotation",
        file: "src/gossip.rs",
        right: "if is_due(&mut self.probe_at) {",
        wrong: "if is_due(&mut self.probe_at) && false {",
    },
    Patch {
        mistake: "no flow control",
        file: "src/link.rs",
        right: ".min(una + WINDOW - nxt)",
        wrong: "",
    },
    Patch {
        mistake: "nobody is greeted",
        file: "src/gossip.rs",
        right: "if is_due(&mut self.greet_at) {",
        wrong: "if is_due(&mut self.greet_at) && false {",
    },
    Patch {
        mistake: "who has forgotten all shows that to all at once",
        file: "src/gossip.rs",
        right: "self.caught_up || self.source == Some(index)",
        wrong: "self.caught_up || index < usize::MAX",
    },
    Patch {
        mistake: "who has caught up does not turn to the others",
        file: "src/gossip/catch_up.rs",
        right: "self.touched.extend(0..self.neighbours.len());",
        wrong: "",
    },
    Patch {
        mistake: "who was known in a former life asks its source alone",
        file: "src/gossip.rs",
        right: "if news.former_life && may_tell && !self.caught_up {",
        wrong: "if news.former_life && may_tell && !self.caught_up && false {",
    },
    Patch {
        mistake: "nobody stands in for the hub",
        file: "src/gossip/stand_in.rs",
        right: "let is_needed = self.parent().is_some()",
        wrong: "let is_needed = false && self.parent().is_some()",
    },
    Patch {
        mistake: "who is needed tells nobody that the hub is away",
        file: "src/gossip/stand_in.rs",
        right: "if self.stands_in && !has_told {",
        wrong: "if self.stands_in && !has_told && false {",
    },
    Patch {
        mistake: "who stands in for the hub does not probe it in rotation",
        file: "src/gossip/suspects.rs",
        right: "self.children() > 0 || self.stands_in && self.seek_at.is_some()",
        wrong: "self.children() > 0",
    },
    Patch {
        mistake: "any word from a silent hub says that it is there",
        file: "src/link.rs",
        right: "let is_there = for_us && echo.is_some() && echo >= self.probed_at;",
        wrong: "let is_there = for_us && (echo.is_none() || echo.is_some());",
    },
    Patch {
        mistake: "what comes late after a partition gathers no company",
        file: "src/gossip/timetable.rs",
        right: "true if now < self.heals_until => Duration::ZERO,",
        wrong: "",
    },
    Patch {
        mistake: "the root decides before it has gathered",
        file: "src/node.rs",
        right: "if self.settling && !knows {",
        wrong: "if self.settling && !knows && false {",
    },
];

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// How often the right text stands in the sources.
pub fn places(patch: &Patch) -> usize {
    let source = std::fs::read_to_string(root().join(patch.file)).expect(patch.file);
    source.matches(patch.right).count()
}

/// Those of `all` that have the argument of `./run.sh mutants` and `./run.sh ablation` in
/// their names. If there are none, says which names there are, and ends the process.
pub fn chosen<T>(
    all: impl Iterator<Item = T>,
    patch: impl Fn(&T) -> &Patch,
) -> impl Iterator<Item = T> {
    let part = std::env::var("MISTAKE").unwrap_or_default();
    let all: Vec<T> = all.collect();
    let names: Vec<_> = all.iter().map(|one| patch(one).mistake).collect();
    if !names.iter().any(|name| name.contains(&part)) {
        eprintln!("no mistake has '{part}' in its name; there are");
        names.iter().for_each(|name| eprintln!("  {name}"));
        std::process::exit(2);
    }
    all.into_iter()
        .filter(move |one| patch(one).mistake.contains(&part))
}

/// A copy of the sources, with a target folder of its own.
pub struct Copy {
    pub folder: PathBuf,
}

impl Copy {
    /// A fresh one below `target`.
    pub fn new(name: &str) -> Copy {
        let folder = root().join("target").join(name);
        // Cargo.toml names a test, so the tests must be there, too.
        for part in ["src", "tests"] {
            let _ = std::fs::remove_dir_all(folder.join(part));
            copy(&root().join(part), &folder.join(part));
        }
        std::fs::copy(root().join("Cargo.toml"), folder.join("Cargo.toml")).expect("Cargo.toml");
        Copy { folder }
    }

    /// Does something while the patch is in its place.
    pub fn with<T>(&self, patch: &Patch, act: impl FnOnce(&Copy) -> T) -> T {
        assert_eq!(places(patch), 1, "{}", patch.mistake);
        let path = self.folder.join(patch.file);
        let right = std::fs::read_to_string(&path).expect(patch.file);
        let wrong = right.replacen(patch.right, patch.wrong, 1);
        std::fs::write(&path, wrong).expect(patch.file);
        let result = act(self);
        std::fs::write(&path, right).expect(patch.file);
        result
    }

    pub fn cargo(&self, command: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(command).current_dir(&self.folder);
        cargo.args(["--offline", "--quiet", "--target-dir", "target"]);
        cargo
    }

    /// Builds the testbed; gives the program, or why there is none.
    pub fn testbed(&self) -> Result<PathBuf, String> {
        let build = ["build", "--bin", "testbed", "--message-format", "json"];
        let output = self.cargo(&build).output().expect("cargo runs");
        let stdout = String::from_utf8_lossy(&output.stdout);
        // A config file may have had it put elsewhere than cargo was told.
        let (_, path) = stdout.rsplit_once("\"executable\":\"").unwrap_or_default();
        let path = path.split('"').next().unwrap_or_default();
        match output.status.success() && !path.is_empty() {
            true => Ok(PathBuf::from(path)),
            false => Err(stdout.into_owned()),
        }
    }

    /// The first of so many runs of torture that fails, and why.
    pub fn torture(&self, testbed: &Path, runs: u32) -> Option<(u32, String)> {
        let mut command = Command::new(testbed);
        command.args(["torture", "--runs", &runs.to_string(), "--seed", "1"]);
        let output = command.current_dir(&self.folder).output();
        let output = output.expect("the testbed runs");
        // "FAIL: run 7 of 2000, seed 7: at 1.2 s: why"
        let report = String::from_utf8_lossy(&output.stdout);
        let first = report.lines().next().unwrap_or_default();
        let run = first.split_whitespace().nth(2);
        let run = run.and_then(|run| run.parse().ok()).unwrap_or(0);
        let why = first.splitn(4, ": ").last().unwrap_or_default();
        (!output.status.success()).then(|| (run, why.to_owned()))
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder for the copy");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copied file");
        }
    }
}

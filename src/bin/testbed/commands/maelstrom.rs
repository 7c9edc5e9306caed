//! The same run on the real Maelstrom.
//!
//! Maelstrom is a program of its own (Java). We start it with the same options,
//! let it judge, and read `results.edn`, so that both verdicts stand in the same
//! table. EDN is Clojure's notation; of all it says we need five numbers and a
//! word, which are found by their path of keywords.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::nodes::{Failure, place};
use crate::run::options::{Job, Options};
use crate::show::report::{Judged, Measured};

/// How to get it.
pub const HOW_TO_GET: &str = "Maelstrom was not found: unpack maelstrom.tar.bz2 from \
github.com/jepsen-io/maelstrom/releases (it needs a Java runtime) and set MAELSTROM=/path/to/maelstrom/maelstrom";

/// The options in Maelstrom's words.
///
/// # Errors
///
/// [`Failure`] for options that Maelstrom does not have.
pub fn arguments(options: &Options, program: &Path) -> Result<Vec<String>, Failure> {
    let plain = Options::new(options.job);
    for (given, name) in [
        (options.loss > 0.0, "--loss"),
        (options.duplicate > 0.0, "--duplicate"),
        (!options.service.is_zero(), "--service-ms"),
        (options.quiet != plain.quiet, "--quiet"),
        (options.seed != plain.seed, "--seed"),
        (options.nemesis_kind.is_some(), "--nemesis-kind"),
    ] {
        if given {
            return Err(Failure::new(format!(
                "Maelstrom has no {name}; leave it out"
            )));
        }
    }
    let mut args: Vec<String> = ["test", "-w", options.workload, "--bin"]
        .map(String::from)
        .into();
    args.push(program.display().to_string());
    let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
    option("--node-count", options.nodes.to_string());
    option(
        "--time-limit",
        options.time_limit.as_secs_f64().ceil().to_string(),
    );
    option("--rate", options.rate.to_string());
    option("--latency", options.latency.as_millis().to_string());
    option("--latency-dist", options.latency_dist.name().into());
    if options.is_broadcast() {
        option("--topology", options.topology.name());
    }
    if options.concurrency != plain.concurrency {
        option("--concurrency", options.concurrency.name());
    }
    // `efficient` shows all of it and has its own word on it.
    if options.availability > 0.0 && options.job != Job::Efficient {
        option("--availability", options.availability_name());
    }
    if options.workload.starts_with("txn") {
        option("--consistency-models", options.consistency.name().into());
    }
    let (drawn, usual) = (options.draws, plain.draws);
    for (name, value, usual) in [
        ("--key-count", drawn.keys as u64, usual.keys as u64),
        ("--max-txn-length", drawn.max_steps, usual.max_steps),
        ("--max-writes-per-key", drawn.max_writes, usual.max_writes),
    ] {
        if value != usual {
            option(name, value.to_string());
        }
    }
    if !options.nemesis.is_empty() {
        option("--nemesis", options.tools(","));
        option(
            "--nemesis-interval",
            options.nemesis_interval.as_secs_f64().to_string(),
        );
    }
    if options.log_stderr {
        args.push("--log-stderr".into());
    }
    let node_args = options.program_args();
    if !node_args.is_empty() {
        args.push("--".into());
        args.extend(node_args);
    }
    Ok(args)
}

/// Runs Maelstrom in `folder`, where its `store` will be, and reads its results.
///
/// # Errors
///
/// [`Failure`] with [`HOW_TO_GET`] if there is no Maelstrom, and with the end of
/// its own output if it crashed.
pub fn run(options: &Options, program: &Path, folder: &Path) -> Result<Measured, Failure> {
    let maelstrom = find()?;
    let files = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(files)?;
    // The results of an earlier run must not pass for those of one that crashed.
    let latest = folder.join("store/latest");
    let _ = fs::remove_file(&latest);
    let output = folder.join("maelstrom.log");
    let log = fs::File::create(&output).map_err(files)?;
    let status = Command::new(&maelstrom)
        .args(arguments(options, program)?)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(log.try_clone().map_err(files)?)
        .stdout(log)
        .status()
        .map_err(|error| {
            Failure::new(format!(
                "cannot start {}: {error}; {HOW_TO_GET}",
                maelstrom.display()
            ))
        })?;
    let crashed = |what: &str| crash(what, status, &output);
    let edn =
        fs::read_to_string(latest.join("results.edn")).map_err(|_| crashed("left no results"))?;
    read_results(&edn).ok_or_else(|| crashed("left results that do not read"))
}

fn crash(what: &str, status: ExitStatus, output: &Path) -> Failure {
    let text = fs::read_to_string(output).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(10)..];
    Failure::new(format!(
        "Maelstrom {what} ({status}); its last lines:\n{}",
        last.join("\n")
    ))
}

/// The program that `MAELSTROM` names, or the first `maelstrom` on the `PATH`.
fn find() -> Result<PathBuf, Failure> {
    if let Some(path) = std::env::var_os("MAELSTROM").filter(|path| !path.is_empty()) {
        // Maelstrom runs in a folder of its own, so the path must not be relative.
        return fs::canonicalize(&path).map_err(|error| {
            let path = place(Path::new(&path));
            Failure::new(format!("MAELSTROM names {path}: {error}"))
        });
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join("maelstrom"))
        .find(|path| path.is_file())
        .ok_or_else(|| Failure::new(HOW_TO_GET))
}

/// Reads the figures out of `results.edn`; `None` if they are not there.
pub fn read_results(edn: &str) -> Option<Measured> {
    let tokens = tokens(edn);
    let map = Map::whole(&tokens)?;
    let servers = map.get(":net")?.get(":servers")?;
    let latencies = map
        .get(":workload")
        .and_then(|workload| workload.get(":stable-latencies"));
    let latency = |key: &str| {
        latencies
            .as_ref()?
            .word(key)?
            .parse::<f64>()
            .ok()
            .map(|ms| ms as u64)
    };
    let stable = ["0", "0.5", "0.95", "0.99", "1"].map(latency);
    let all = stable.iter().all(Option::is_some);
    Some(Measured {
        valid: map.word(":valid?")? == "true",
        messages_per_op: servers.word(":msgs-per-op")?.parse().ok()?,
        // Its own judgement of it is in `:valid?` already.
        availability: None,
        stable_latency: all.then(|| stable.map(Option::unwrap_or_default)),
        judged: Judged::All,
    })
}

/// Brackets, strings and words. Commas are white space in EDN.
fn tokens(edn: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = edn;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        let Some(first) = rest.chars().next() else {
            return tokens;
        };
        let length = match first {
            '{' | '}' | '(' | ')' | '[' | ']' => 1,
            '"' => string_length(rest),
            _ => rest
                .find(|c: char| c.is_whitespace() || ",{}()[]\"".contains(c))
                .unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(length);
        tokens.push(token);
        rest = behind;
    }
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// The tokens inside a map's braces.
#[derive(Clone, Copy, Debug)]
struct Map<'a>(&'a [&'a str]);

impl<'a> Map<'a> {
    fn whole(tokens: &'a [&'a str]) -> Option<Map<'a>> {
        match tokens {
            ["{", inside @ .., "}"] => Some(Map(inside)),
            _ => None,
        }
    }

    /// The tokens of the value at `key`.
    fn value(&self, key: &str) -> Option<&'a [&'a str]> {
        let mut rest = self.0;
        while let [name, behind @ ..] = rest {
            let length = value_length(behind)?;
            if *name == key {
                return Some(&behind[..length]);
            }
            rest = &behind[length..];
        }
        None
    }

    fn get(&self, key: &str) -> Option<Map<'a>> {
        Map::whole(self.value(key)?)
    }

    fn word(&self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            [word] => Some(word),
            _ => None,
        }
    }
}

/// How many tokens the first value has: one, or all up to its closing bracket. A
/// tag (`#jepsen.history.Op`) belongs to the value behind it.
fn value_length(tokens: &[&str]) -> Option<usize> {
    let tags = tokens
        .iter()
        .take_while(|token| token.starts_with('#'))
        .count();
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(tags) {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::options::Concurrency;

    /// Cut down from what a real run wrote.
    const RESULTS: &str = r#"{:perf {:latency-graph {:valid? true}, :valid? true},
 :net {:all {:send-count 7462, :msgs-per-op 3.7705913},
       :servers {:send-count 3404,
                 :msgs-per-op 1.7200606},
       :valid? true},
 :workload {:worst-stale ({:element 837,
                           :known #jepsen.history.Op{:index 3379, :type :ok,
                                                     :value "a } \" ,"},
                           :lost-latency nil}),
            :lost (),
            :stable-latencies {0 0,
                               0.5 768,
                               0.95 976,
                               0.99 1080,
                               1 1099},
            :duplicated {}},
 :valid? true}
"#;

    #[test]
    fn the_figures_are_found_in_maelstroms_results() {
        let expected = Measured {
            valid: true,
            messages_per_op: 1.7200606,
            availability: None,
            stable_latency: Some([0, 768, 976, 1080, 1099]),
            judged: Judged::All,
        };
        assert_eq!(read_results(RESULTS), Some(expected));
    }

    #[test]
    fn an_invalid_or_unknown_verdict_is_not_valid() {
        for verdict in ["false", ":unknown"] {
            let edn = RESULTS.replace(" :valid? true}\n", &format!(" :valid? {verdict}}}\n"));
            assert!(!read_results(&edn).expect("readable").valid, "{verdict}");
        }
    }

    #[test]
    fn cut_off_or_empty_results_are_no_results() {
        for end in [0, 1, 100, RESULTS.len() / 2, RESULTS.len() - 3] {
            assert_eq!(read_results(&RESULTS[..end]), None, "{end}");
        }
    }

    #[test]
    fn options_are_passed_on_in_maelstroms_words() {
        let mut options = Options::new(Job::Partition);
        options.node_args = vec!["--within-ms".into(), "300".into()];
        let args = arguments(&options, Path::new("/x/hubcast"))
            .expect("all known")
            .join(" ");
        assert_eq!(
            args,
            "test -w broadcast --bin /x/hubcast --node-count 25 --time-limit 20 --rate 100 \
             --latency 100 --latency-dist constant --topology grid --nemesis partition \
             --nemesis-interval 2 -- --within-ms 300"
        );
        let mut crash = Options::new(Job::Crash);
        crash.data_dir = Some("data".into());
        let args = arguments(&crash, Path::new("x")).expect("all known");
        let args = args.join(" ");
        assert!(args.contains("--nemesis partition,kill,pause --nemesis-interval 1.5"));
        assert!(args.ends_with("-- --data-dir data"), "{args}");
        let total = Options {
            workload: "txn-rw-register",
            concurrency: Concurrency::EachNode(2),
            availability: 1.0,
            ..Options::new(Job::Workload)
        };
        let args = arguments(&total, Path::new("x")).expect("all known");
        let args = args.join(" ");
        assert!(
            args.ends_with(
                "--latency-dist constant --concurrency 2n --availability total \
                 --consistency-models read-committed -- --workload txn-rw-register"
            ),
            "{args}"
        );
        options.loss = 0.1;
        assert!(
            arguments(&options, Path::new("x")).is_err(),
            "Maelstrom cannot lose messages"
        );
        (options.loss, options.nemesis_kind) = (0.0, Some("hub"));
        let failure = arguments(&options, Path::new("x")).expect_err("it draws its kinds");
        assert!(failure.text.contains("no --nemesis-kind"), "{failure}");
    }
}

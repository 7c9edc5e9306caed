//! What is each mechanism for? The same battery of runs with one after the other switched
//! off, in a copy of the sources: `./run.sh ablation`, or `./run.sh ablation news` for those that
//! have this in their names. It takes minutes, and all of it is virtual time.

mod patched;

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hubcast::json::Json;
use patched::{Copy, MECHANISMS, Patch};

/// How many seeds each run of the battery has, from 1 on. Messages and medians are their
/// mean, maxima their worst.
const SEEDS: u64 = 3;

/// How many lives of torture there are at most.
const LIVES: u32 = 150;

/// What differs by less is the same. Unit: part of 1.
const SAME: f64 = 0.02;

/// The columns that one command measures.
struct Group {
    name: &'static str,
    args: &'static str,
    columns: &'static [Figure],
}

/// A figure of a run.
#[derive(Clone, Copy)]
enum Figure {
    /// Messages per operation.
    Messages,
    /// The longest stable latency, and what one in a hundred takes. Unit: ms.
    Max,
    P99,
    /// How long it takes from a fault's end until all is everywhere. Unit: ms.
    Recovery,
    WorstRecovery,
    /// The longest that a value took to all who can reach each other during a fault; infinite
    /// if it never came. Unit: ms.
    Spread,
}

const TIMETABLE: &[Figure] = &[Figure::Messages, Figure::Max];
const FAULTY: &[Figure] = &[Figure::Messages, Figure::Recovery, Figure::WorstRecovery];
const AWAY: &[Figure] = &[Figure::Messages, Figure::Spread];

const fn group(name: &'static str, args: &'static str, columns: &'static [Figure]) -> Group {
    Group {
        name,
        args,
        columns,
    }
}

/// Without faults: promise by promise, on even machines and on real ones.
const CALM: &[Group] = &[
    group("400 ms", "efficient -- --within-ms 400", TIMETABLE),
    group("585 ms", "efficient -- --within-ms 585", TIMETABLE),
    group("1700 ms", "efficient -- --within-ms 1700", TIMETABLE),
    group(
        "400 stall",
        "efficient --stall-ms 25 --latency-dist jvm -- --within-ms 400",
        TIMETABLE,
    ),
    group(
        "585 stall",
        "efficient --stall-ms 25 --latency-dist jvm -- --within-ms 585",
        TIMETABLE,
    ),
    group(
        "1700 stall",
        "efficient --stall-ms 25 --latency-dist jvm -- --within-ms 1700",
        TIMETABLE,
    ),
];

/// What goes wrong. The torture follows in the table.
const ROUGH: &[Group] = &[
    group("uneven", "efficient --latency-dist exponential", TIMETABLE),
    group(
        "5 % loss",
        "efficient --loss 0.05",
        &[Figure::Messages, Figure::P99],
    ),
    group("partition", "partition", FAULTY),
    group("crash", "crash", FAULTY),
    group("forgetful", "crash --nemesis kill --volatile", TIMETABLE),
    group(
        "hub",
        "partition --nemesis-kind hub --nemesis-interval 8",
        AWAY,
    ),
    group(
        "ring",
        "partition --nemesis-kind majorities-ring --nemesis-interval 8",
        AWAY,
    ),
];

/// A run's number at `path`, `None` where there is none.
fn number(json: &Json<'_>, path: &[&str]) -> Option<f64> {
    let mut json = Some(json);
    for name in path {
        json = json?.get(name);
    }
    match json? {
        Json::Int(number) => Some(*number as f64),
        Json::Number(text) => text.parse().ok(),
        _ => None,
    }
}

/// The worst of all faults, of which each has this `figure` or none.
fn each_fault(results: &Json<'_>, figure: impl Fn(&Json<'_>) -> Option<f64>) -> Option<f64> {
    let faults = results.get("faults").and_then(Json::as_array)?;
    let each = faults.iter().filter_map(figure);
    each.reduce(f64::max)
}

impl Figure {
    fn of(self, results: &Json<'_>) -> Option<f64> {
        match self {
            Figure::Messages => number(results, &["msgs_per_op"]),
            Figure::Max => number(results, &["stable_latency_ms", "p100"]),
            Figure::P99 => number(results, &["stable_latency_ms", "p99"]),
            Figure::Recovery => number(results, &["median_recovery_ms"]),
            Figure::WorstRecovery => each_fault(results, |f| number(f, &["recovery_ms"])),
            Figure::Spread => each_fault(results, |f| {
                let all = number(f, &["reached"])? == number(f, &["given"])?;
                match all {
                    true => number(f, &["spread_max_ms"]),
                    false => Some(f64::INFINITY),
                }
            }),
        }
    }

    /// What the seeds' figures are together.
    fn together(self, each: &[f64]) -> Option<f64> {
        match self {
            Figure::Max | Figure::WorstRecovery | Figure::Spread => {
                each.iter().copied().reduce(f64::max)
            }
            _ => (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64),
        }
    }

    fn heading(self) -> &'static str {
        match self {
            Figure::Messages => "msgs",
            Figure::Max | Figure::WorstRecovery | Figure::Spread => "max",
            Figure::P99 => "p99",
            Figure::Recovery => "back",
        }
    }
}

/// One figure of the table, and whether something was lost meanwhile.
#[derive(Clone, Copy)]
struct Cell {
    figure: Option<f64>,
    broken: bool,
}

impl Cell {
    /// As it stands in the table: `=` for what is as in the `first` row.
    fn text(self, first: Option<Cell>) -> String {
        let Some(figure) = self.figure else {
            return "-".into();
        };
        let was = first.and_then(|first| first.figure);
        let is_same = was.is_some_and(|was| (figure - was).abs() <= was * SAME);
        let mark = match first {
            Some(first) if self.broken && !first.broken => "!",
            _ => "",
        };
        match figure {
            _ if is_same => format!("={mark}"),
            // Only messages per operation are that few.
            _ if figure.fract() != 0.0 && figure < 100.0 => format!("{figure:.2}{mark}"),
            _ => format!("{figure:.0}{mark}"),
        }
    }
}

/// The battery's figures, with what the copy is just now: none if that does not build.
fn battery(copy: &Copy) -> Vec<Cell> {
    let testbed = match copy.testbed() {
        Ok(testbed) => testbed,
        Err(why) => {
            eprintln!("{why}");
            return Vec::new();
        }
    };
    let groups = CALM.iter().chain(ROUGH);
    let mut cells: Vec<Cell> = groups.flat_map(|group| group.run(copy, &testbed)).collect();
    let first = copy.torture(&testbed, LIVES);
    let survived = first.map_or(LIVES, |(run, _)| run.saturating_sub(1));
    cells.push(Cell {
        figure: Some(f64::from(survived)),
        broken: false,
    });
    cells
}

impl Group {
    fn run(&self, copy: &Copy, testbed: &Path) -> Vec<Cell> {
        let job = self.args.split(' ').next().unwrap_or_default();
        let results = copy
            .folder
            .join("target/runs")
            .join(job)
            .join("results.json");
        let mut figures = vec![Vec::new(); self.columns.len()];
        let mut broken = false;
        for seed in 1..=SEEDS {
            let _ = std::fs::remove_file(&results);
            let mut args: Vec<&str> = self.args.split(' ').collect();
            let seed = seed.to_string();
            args.splice(1..1, ["--virtual", "--seed", &seed]);
            let mut command = Command::new(testbed);
            let output = command.args(args).current_dir(&copy.folder).output();
            output.expect("the testbed runs");
            let text = std::fs::read(&results).unwrap_or_default();
            let json = Json::parse(&text).unwrap_or(Json::Null);
            broken |= json.get("valid") != Some(&Json::Bool(true));
            for (figures, column) in figures.iter_mut().zip(self.columns) {
                figures.extend(column.of(&json));
            }
        }
        let each = figures.iter().zip(self.columns);
        each.map(|(figures, column)| Cell {
            figure: column.together(figures),
            broken,
        })
        .collect()
    }
}

/// A row: what is switched off, and the figures then.
type Row = (&'static str, Vec<Cell>);

/// These columns of all rows. The first row is what all others are compared with.
fn table(groups: &[Group], last: &str, from: usize, rows: &[Row]) -> String {
    let (mut names, mut headings) = (String::new(), String::new());
    for group in groups {
        let width = 6 * group.columns.len();
        let _ = write!(names, "{:>width$}", group.name);
        for column in group.columns {
            let _ = write!(headings, "{:>6}", column.heading());
        }
    }
    let mut text = format!(
        "{:<54}{names}\n{:<54}{headings}{last}\n",
        "", "switched off"
    );
    let count = groups
        .iter()
        .map(|group| group.columns.len())
        .sum::<usize>();
    let count = count + usize::from(!last.is_empty());
    for (index, (name, cells)) in rows.iter().enumerate() {
        let _ = write!(text, "{name:<54}");
        if cells.is_empty() {
            text.push_str("  does not build");
        }
        for (column, cell) in cells.iter().enumerate().skip(from).take(count) {
            let first = (index > 0).then(|| rows[0].1[column]);
            let _ = write!(text, "{:>6}", cell.text(first));
        }
        text.push('\n');
    }
    text
}

#[test]
#[ignore = "takes minutes: ./run.sh ablation"]
fn what_each_mechanism_is_for() {
    let patches = patched::chosen(MECHANISMS.iter(), |patch| patch);
    let patches: Vec<Option<&Patch>> = std::iter::once(None).chain(patches.map(Some)).collect();
    let (next, started) = (AtomicUsize::new(0), Instant::now());
    // Two at a time: a build uses one core most of the time, and so does the battery.
    let work = |copy: Copy| {
        let mut rows = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(patch) = patches.get(index)
        {
            let (name, cells) = match patch {
                Some(patch) => (patch.mistake, copy.with(patch, battery)),
                None => ("nothing: as it is", battery(&copy)),
            };
            rows.push((index, (name, cells)));
            let (done, seconds) = (index + 1, started.elapsed().as_secs());
            eprintln!("{done} of {} after {seconds} s: {name}", patches.len());
        }
        rows
    };
    let mut rows: Vec<(usize, Row)> = std::thread::scope(|scope| {
        let workers = ["ablation/0", "ablation/1"].map(|name| {
            let copy = Copy::new(name);
            scope.spawn(|| work(copy))
        });
        let rows = workers.into_iter().map(|worker| worker.join());
        rows.flat_map(|rows| rows.expect("a worker")).collect()
    });
    rows.sort_by_key(|(index, _)| *index);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let calm = CALM.iter().map(|group| group.columns.len()).sum();
    println!("{}", table(CALM, "", 0, &rows));
    println!("{}", table(ROUGH, " lives", calm, &rows));
    println!("msgs: messages per operation. back, max: median and longest recovery, in ms.");
    println!("hub, ring: the longest way of a value while the hub is away; inf: not all ways end.");
    println!("lives: of torture, survived of {LIVES}. =: within 2 % of the first row.");
    println!("!: something was lost, or not in time, unlike in the first row. -: no result.");
}

//! One run: carried out, judged, shown.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::challenges::Ran;
use super::{RUNS, has_screen, lock, maelstrom, own_program, say};
use crate::nodes::processes::Processes;
use crate::nodes::{Failure, place, signals};
use crate::run::options::Options;
use crate::run::recording::Recording;
use crate::run::{run, run_virtual};
use crate::show::page;
use crate::show::report::{self, Outcome};

/// Runs a job and prints its report; says whether it passed.
pub fn main(options: &Options) -> Result<bool, Failure> {
    let options = &with_maelstrom(options.clone());
    say(&headline(options));
    let folder = match options.maelstrom {
        true => "maelstrom".to_owned(),
        false => options.folder(),
    };
    let _lock = lock(&folder)?;
    let (ran, text) = carry_out(options, &Path::new(RUNS).join(folder))?;
    say(&text);
    Ok(ran.passed)
}

/// The variable `MAELSTROM` asks for it, too.
pub fn with_maelstrom(mut options: Options) -> Options {
    let named = std::env::var_os("MAELSTROM").is_some_and(|path| !path.is_empty());
    options.maelstrom |= named && !options.virtual_time;
    options
}

/// Carries out a run whose files go to `folder`; gives what came of it, and the report.
pub fn carry_out(options: &Options, folder: &Path) -> Result<(Ran, String), Failure> {
    let mut options = options.clone();
    if options.maelstrom {
        return on_maelstrom(options, folder);
    }
    // Before the last run's files go: a mistyped path must not take them along.
    let program = match options.virtual_time {
        true => PathBuf::new(),
        false => program(options.bin.as_deref())?,
    };
    let recording = Recording::create(folder)?;
    if options.needs_data_dir() {
        options.data_dir = Some(folder.join("data").display().to_string());
    }
    let options = &options;
    // Lines of the nodes on the screen would be drawn over.
    let show_progress = has_screen(&io::stderr()) && !options.log_stderr;
    let (finished, recording) = if options.virtual_time {
        run_virtual(options, recording, Some(folder), show_progress)?
    } else {
        signals::remember_signals();
        let mut nodes = Processes::start(
            options.nodes,
            &program,
            options.program_args(),
            folder,
            options.log_stderr,
        )?;
        let ran = run(options, &mut nodes, recording, show_progress)?;
        nodes.stop();
        ran
    };
    let outcome = Outcome {
        options,
        counts: &finished.counts,
        verdict: &finished.verdict,
    };
    recording.write("results.json", &format!("{}\n", outcome.to_json()))?;
    page::write(&outcome, folder)?;
    let measured = outcome.measured();
    let page = folder.join("report.html");
    let text = outcome.text() + &format!("to watch it, open {}\n", page.display());
    let ran = Ran {
        passed: measured.passes(options),
        answers: outcome.answers(),
        words: report::verdict_text(&measured, options, &outcome.problems()),
        measured,
    };
    Ok((ran, text))
}

/// The same on the real Maelstrom.
fn on_maelstrom(mut options: Options, folder: &Path) -> Result<(Ran, String), Failure> {
    // Maelstrom gives none, runs all nodes in one folder and deletes nothing.
    if options.needs_data_dir() {
        options.data_dir = Some("data".into());
        remove_folder(&folder.join("data"))?;
    }
    let options = &options;
    let measured = maelstrom::run(options, &program(options.bin.as_deref())?, folder)?;
    let words = report::verdict_text(&measured, options, &[]);
    let text = format!(
        "{}\n{words}Maelstrom's own files: {}/store/latest/\n",
        report::table(&measured, options),
        folder.display()
    );
    let ran = Ran {
        passed: measured.passes(options),
        answers: None,
        words,
        measured,
    };
    Ok((ran, text))
}

fn remove_folder(folder: &Path) -> Result<(), Failure> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::new(format!(
            "cannot empty {}: {error}",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// The node's program: `--bin`, or `hubcast` next to the testbed itself.
///
/// # Errors
///
/// [`Failure`] if nothing is there, or a folder, or what may not be started.
pub fn program(bin: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = match bin {
        Some(path) => path.to_owned(),
        None => own_program()?,
    };
    let no_program =
        |why: &str| Failure::new(format!("no node program at {}: {why}", place(&path)));
    let found = std::fs::canonicalize(&path).map_err(|error| no_program(&error.to_string()))?;
    let about = std::fs::metadata(&found)?;
    if about.is_dir() {
        return Err(no_program("it is a folder"));
    }
    if about.permissions().mode() & 0o111 == 0 {
        return Err(no_program(
            "it may not be started; chmod +x makes it a program",
        ));
    }
    Ok(found)
}

fn headline(options: &Options) -> String {
    let last = match options.maelstrom {
        // Maelstrom draws without a seed: no two runs are the same.
        true => "on Maelstrom".into(),
        false => format!("seed {}", options.seed),
    };
    let mut text = format!(
        "{}: {} nodes, {} ms {} latency, {} operations a second for {} s, {last}",
        options.title(),
        options.nodes,
        options.latency.as_millis(),
        options.latency_dist.name(),
        options.rate,
        options.time_limit.as_secs_f64(),
    );
    if options.loss > 0.0 || options.duplicate > 0.0 {
        text += &format!(
            ", {:.0} % lost, {:.0} % duplicated",
            options.loss * 100.0,
            options.duplicate * 100.0
        );
    }
    if options.volatile {
        text += ", without journals";
    }
    if !options.service.is_zero() {
        let service = options.service.as_secs_f64() * 1e3;
        text += &format!(", {service} ms a message at each door");
    }
    if !options.stall.is_zero() {
        let (most, every) = (options.stall.as_secs_f64() * 1e3, options.stall_every);
        text += &format!(
            ", stalls of up to {most} ms every {} s at each node",
            every.as_secs_f64()
        );
    }
    if !options.node_args.is_empty() {
        text += &format!("; nodes: {}", options.node_args.join(" "));
    }
    text + "\n\n"
}

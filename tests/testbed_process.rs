//! The testbed as a user calls it: good runs, bad nodes, wrong options.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[path = "../src/bin/testbed/nodes/signals.rs"]
#[allow(dead_code)] // The testbed uses all of it.
mod signals;
use signals::Group;

/// A folder of its own for a test, since each run leaves files.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn testbed(name: &str, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command
        .args(args.split_whitespace())
        .current_dir(folder(name))
        .env_remove("MAELSTROM")
        .stdin(Stdio::null());
    command
}

/// A program that a test makes up.
fn script(name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder(&format!("{name}-bin")).join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// What a command draws on a terminal of this kind, stdout and stderr together.
fn on_a_terminal(mut command: Command, kind: &str) -> String {
    use std::ffi::{CStr, c_char, c_int};
    unsafe extern "C" {
        fn posix_openpt(flags: c_int) -> c_int;
        fn grantpt(terminal: c_int) -> c_int;
        fn unlockpt(terminal: c_int) -> c_int;
        fn ptsname(terminal: c_int) -> *const c_char;
    }
    // One at a time: ptsname has one answer for all.
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let held = ONE.lock().unwrap();
    // SAFETY: POSIX's own order; 2 is O_RDWR everywhere, the descriptor is ours alone, and
    // the name is copied before anybody else asks for one.
    let (mut screen, name) = unsafe {
        let terminal = posix_openpt(2);
        assert!(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
        let name = CStr::from_ptr(ptsname(terminal)).to_owned();
        use std::os::fd::FromRawFd;
        (std::fs::File::from_raw_fd(terminal), name)
    };
    let name = name.to_str().unwrap();
    let other = std::fs::File::options()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();
    drop(held);
    command.env("TERM", kind).stdin(Stdio::null());
    command.stderr(other.try_clone().unwrap()).stdout(other);
    let mut child = command.spawn().unwrap();
    // Its own copies of the terminal go with it: the reader sees the end.
    drop(command);
    let (mut drawn, mut piece) = (Vec::new(), [0; 4096]);
    // Linux ends with an error, others with nothing.
    while let Ok(count @ 1..) = screen.read(&mut piece) {
        drawn.extend_from_slice(&piece[..count]);
    }
    assert!(child.wait().unwrap().success(), "{}", text(&drawn));
    text(&drawn)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a run says on stdout and on stderr that must end with this status.
fn ends(status: i32, name: &str, args: &str) -> (String, String) {
    let output = testbed(name, args).output().expect("the testbed starts");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        output.status.code(),
        Some(status),
        "{args}: {stdout}{stderr}"
    );
    (stdout, stderr)
}

/// A file of a test's folder.
fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A small run, fast enough for a test.
const SMALL: &str = "--node-count 5 --time-limit 1 --latency 1 --quiet 0.5";

/// The same with losses: a lost message at the very end is sent again after 1.5 s,
/// and once more if need be.
const LOSSY: &str = "--node-count 5 --time-limit 1 --latency 1 --quiet 5 --loss 0.02";

#[test]
fn a_small_run_passes_and_leaves_its_files() {
    let (stdout, _) = ends(0, "small", &format!("efficient {LOSSY}"));
    assert!(stdout.contains("PASS: valid"), "{stdout}");
    let last = stdout.lines().next_back();
    assert_eq!(
        last,
        Some("to watch it, open target/runs/efficient/report.html")
    );
    let read = |name: &str| read(format!("small/target/runs/efficient/{name}"));
    assert!(read("results.json").starts_with(r#"{"valid":true,"command":"efficient","seed":1,"#));
    assert!(read("messages.jsonl").contains(r#""type":"delta""#));
    assert!(read("history.jsonl").contains(r#""event":"invoke","op":"broadcast","value":0"#));
    assert!(read("node-logs/n4.log").contains("event=init node=n4"));
}

#[test]
fn the_lessons_first_node_floods_the_same_as_a_process_and_in_memory() {
    let flood = env!("CARGO_BIN_EXE_flood");
    for time in ["", "--virtual"] {
        let args = format!("efficient {SMALL} {time} --bin {flood} --topology line");
        let (stdout, _) = ends(0, "flood", &args);
        assert!(stdout.contains("PASS: valid"), "{stdout}");
        let results = read("flood/target/runs/efficient/results.json");
        let number = |name: &str| -> u64 {
            let (_, behind) = results.split_once(&format!("\"{name}\":")).expect(name);
            let end = behind.find(|c: char| !c.is_ascii_digit()).expect("an end");
            behind[..end].parse().expect(name)
        };
        // On a line each of the other four hears each value once.
        assert_eq!(number("total"), 4 * number("broadcasts"), "{results}");
    }
}

#[test]
fn a_promise_is_shown_and_kept_also_where_the_timetable_comes_and_goes() {
    for (args, row) in [
        ("", " 400 ms\n"),
        ("--service-ms 0.5", " 400 ms\n"),
        // The news of a departure take four periods: children aim at slots of long ago.
        ("--latency 400 --seed 3 -- --within-ms 1000", " 1000 ms\n"),
        (
            "--latency 201",
            " 400 ms  not to be had: the network takes 402 ms\n",
        ),
    ] {
        let (stdout, _) = ends(0, "promise", &format!("efficient --virtual {args}"));
        let (_, shown) = stdout.split_once("\npromised within").expect("a row");
        assert!(shown.trim_start().starts_with(row.trim_start()), "{stdout}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_in_virtual_time_and_another_seed_does_not() {
    let messages = |name: &str, seed: u64| {
        let args = format!("partition --virtual --loss 0.05 --latency-dist uniform --seed {seed}");
        ends(0, name, &args);
        read(format!("{name}/target/runs/partition/messages.jsonl"))
    };
    let first = messages("virtual-1", 5);
    assert!(first.len() > 100_000);
    assert_eq!(first, messages("virtual-2", 5));
    assert_ne!(first, messages("virtual-3", 6));
}

#[test]
fn partition_shows_several_kinds_with_their_recoveries_and_the_median() {
    let (stdout, _) = ends(0, "several", "partition --virtual");
    let rows = stdout
        .lines()
        .skip_while(|line| !line.starts_with("partition  "));
    let rows: Vec<&str> = rows.skip(1).take_while(|line| !line.is_empty()).collect();
    let (median, rows) = rows.split_last().expect("a table");
    assert!(
        median.starts_with("median ") && median.ends_with(" ms"),
        "{stdout}"
    );
    let mut kinds: Vec<_> = rows
        .iter()
        .filter_map(|row| row.split(' ').next())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.len() >= 3 && kinds.len() == rows.len(), "{stdout}");
    assert!(rows.iter().all(|row| row.ends_with(" ms")), "{stdout}");
}

#[test]
fn of_a_long_fault_the_table_and_the_results_say_how_many_values_reached_their_component() {
    let args = "partition --virtual --nemesis-kind one --nemesis-interval 8 --seed 8";
    let (stdout, _) = ends(0, "spread", args);
    let row = stdout.lines().find(|line| line.starts_with("one  "));
    let cells: Vec<&str> = row.expect("a fault").split_whitespace().collect();
    let [.., reached, took, "ms"] = cells[..] else {
        panic!("{stdout}");
    };
    let numbers = |text: &str| -> Vec<u64> {
        text.split('/')
            .map(|part| part.parse().expect("a number"))
            .collect()
    };
    let (counts, times) = (numbers(reached), numbers(took));
    assert_eq!(counts[0], counts[1], "all reached: {stdout}");
    assert!(times[0] <= times[1] && times[1] < 500, "{stdout}");
    assert!(
        stdout.contains("from 2 s after its start to 2.5 s before its end"),
        "{stdout}"
    );
    let results = read("spread/target/runs/partition/results.json");
    let fields = format!(
        r#""given":{},"reached":{},"spread_median_ms":{}."#,
        counts[1], counts[0], times[0]
    );
    assert!(results.contains(&fields), "{fields}: {results}");
}

#[test]
fn crash_loses_nothing_with_journals_and_counts_what_is_gone_without() {
    let (stdout, _) = ends(0, "crash", "crash --virtual");
    assert!(stdout.contains("\n0 values lost"), "{stdout}");
    for tool in ["\nkill ", "\npause ", "\npartition "] {
        assert!(stdout.matches(tool).count() > 1, "{tool}: {stdout}");
    }
    let results = read("crash/target/runs/crash/results.json");
    let row = r#"{"fault":"kill","nodes":["#;
    assert!(results.contains(row), "{results}");
    let (stdout, _) = ends(1, "volatile", "crash --virtual --volatile");
    assert!(stdout.contains("values were lost: "), "{stdout}");
}

#[test]
fn a_real_node_that_is_killed_comes_back_with_its_journal_and_a_paused_one_goes_on() {
    let args = "crash --node-count 3 --time-limit 4 --latency 10 --quiet 2 --nemesis kill,pause \
                --nemesis-interval 0.4";
    ends(0, "killed", args);
    let read = |name: &str| read(format!("killed/target/runs/crash/{name}"));
    read("data/n2.journal");
    let logs = (0..3).map(|node| read(&format!("node-logs/n{node}.log")));
    let starts: usize = logs.map(|log| log.matches("event=restored").count()).sum();
    assert!(starts > 3, "the log is appended to: {starts}");
    let messages = read("messages.jsonl");
    for event in ["kill", "start", "pause", "resume"] {
        let event = format!(r#""event":"{event}""#);
        assert!(messages.contains(&event), "{event}");
    }
}

#[test]
fn a_second_run_at_the_same_time_is_refused_and_a_killed_one_leaves_no_lock() {
    let mut first = testbed("twice", "efficient --node-count 3");
    let mut first = first
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let files = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("twice");
    let started = Instant::now();
    while !files
        .join("target/runs/efficient/node-logs/n2.log")
        .exists()
    {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it did not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let again = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
        let args = args.split_whitespace();
        let command = command
            .args(args)
            .current_dir(&files)
            .env_remove("MAELSTROM");
        command.stdin(Stdio::null()).output().unwrap()
    };
    let second = again("efficient --virtual");
    assert_eq!(second.status.code(), Some(1));
    let stderr = text(&second.stderr);
    assert!(
        stderr.contains("'efficient' is running here already"),
        "{stderr}"
    );
    let other = again("partition --virtual --time-limit 1");
    assert_eq!(
        other.status.code(),
        Some(0),
        "another command has its own files"
    );
    first.kill().unwrap();
    first.wait().unwrap();
    let third = again("efficient --virtual");
    assert_eq!(third.status.code(), Some(0), "{}", text(&third.stderr));
}

/// A group whose leader ends at once and leaves a child that sleeps; both hold
/// its stdout, so that ends when the last of them does.
fn left_behind(seconds: u32) -> (Group, std::process::ChildStdout) {
    let script = format!("sleep {seconds} & exit 7");
    let mut group = Group::start(
        Command::new("sh")
            .args(["-c", &script])
            .stdout(Stdio::piped()),
    )
    .expect("sh starts");
    let (_, stdout, _) = group.pipes();
    (group, stdout.expect("a pipe"))
}

#[test]
fn the_group_of_a_leader_that_has_exited_is_killed_before_the_leader_is_reaped() {
    let (mut group, mut stdout) = left_behind(30);
    let started = Instant::now();
    std::thread::sleep(Duration::from_millis(200));
    let status = group.end().expect("a status");
    assert_eq!(
        status.code(),
        Some(7),
        "it ended by itself, and that is told"
    );
    stdout.read_to_end(&mut Vec::new()).expect("its end");
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "the child was not killed"
    );
    assert_eq!(
        group.end().expect("a status"),
        status,
        "a second call only tells"
    );
}

#[test]
fn once_a_leader_is_reaped_nothing_is_sent_to_its_group() {
    let (mut group, mut stdout) = left_behind(2);
    let started = Instant::now();
    while group.ended().expect("a status").is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(group.end().expect("a status").code(), Some(7));
    drop(group);
    stdout.read_to_end(&mut Vec::new()).expect("its end");
    assert!(
        started.elapsed() > Duration::from_millis(1500),
        "somebody killed the child"
    );
}

#[test]
fn a_node_that_dies_ends_the_run_with_its_status_and_last_words() {
    let node = script("dies", "read line; echo 'something broke' >&2; exit 7");
    let (_, stderr) = ends(1, "dies", &format!("efficient {SMALL} --bin {node}"));
    assert!(
        stderr.contains(" died; exit status: 7; its last lines on stderr:\n  something broke"),
        "{stderr}"
    );
}

#[test]
fn a_node_that_writes_no_message_ends_the_run_with_the_line() {
    let node = script("garbage", "read line; echo 'I am ready'; cat >/dev/null");
    let (_, stderr) = ends(1, "garbage", &format!("efficient {SMALL} --bin {node}"));
    assert!(
        stderr.contains("wrote a malformed line: not JSON at byte 0"),
        "{stderr}"
    );
    assert!(stderr.contains(": I am ready; it still runs"), "{stderr}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let (_, stderr) = ends(1, "missing", "efficient --bin /nowhere/node");
    assert!(stderr.contains("no node program at /nowhere/node"));
}

#[test]
fn a_mistyped_program_is_refused_before_the_last_runs_report_is_gone() {
    ends(0, "mistyped", "efficient --virtual --time-limit 1");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("mistyped");
    let run = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
        command.args(args.split(' ')).current_dir(&folder);
        command.env_remove("MAELSTROM").output().unwrap()
    };
    let output = run("efficient --bin ./nodee");
    let stderr = text(&output.stderr);
    let taken = folder.canonicalize().unwrap();
    let says = format!(
        "no node program at ./nodee (taken from {}): ",
        taken.display()
    );
    assert!(stderr.contains(&says), "{stderr}");
    assert!(
        run("challenges --bin ./nodee").stdout.is_empty(),
        "no row of it"
    );
    read("mistyped/target/runs/efficient/report.html");
    let stderr = text(&run("trace no.story").stderr);
    let says = format!("the story no.story (taken from {}): ", taken.display());
    assert!(stderr.contains(&says), "{stderr}");
}

#[test]
fn a_program_that_does_not_start_is_told_with_what_would_help() {
    use std::os::unix::fs::PermissionsExt;
    let programs = folder("no-start-bin");
    let write = |name: &str, text: &[u8], mode: u32| {
        let path = programs.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write("plain", b"#!/bin/sh\n", 0o644);
    write("no-interpreter", b"#!/nowhere/python3\n", 0o755);
    write("no-first-line", b"import sys\n", 0o755);
    for (name, says) in [
        (
            "plain",
            "it may not be started; chmod +x makes it a program",
        ),
        (
            "no-interpreter",
            "; the interpreter that its first line (#!) names is not there",
        ),
        (
            "no-first-line",
            "; a script needs a first line like #!/usr/bin/env python3",
        ),
        (".", "it is a folder"),
    ] {
        let program = programs.join(name);
        let (_, stderr) = ends(
            1,
            "no-start",
            &format!("efficient --bin {}", program.display()),
        );
        assert!(stderr.contains(says), "{name}: {stderr}");
        assert!(!stderr.contains("ulimit"), "{name}: {stderr}");
    }
}

#[test]
fn a_line_without_a_break_is_shown_also_where_the_node_then_waits_or_ends() {
    let open = "it wrote 11 bytes without a line break: {\"src\":\"n0\"; it left nothing";
    let mute = "did not answer init within 10 s; it still runs; it wrote nothing on stdout (a \
                program must flush each line)";
    // Two of them take the ten seconds that a node has to answer.
    std::thread::scope(|scope| {
        for (name, then, says) in [
            ("open-end", "printf '{\"src\":\"n0\"'; exit 0", open),
            ("open-wait", "printf '{\"src\":\"n0\"'; exec sleep 60", open),
            ("mute", "exec sleep 60", mute),
        ] {
            scope.spawn(move || {
                let node = script(name, &format!("read line; {then}"));
                let args = format!("workload echo --node-count 1 {} --bin {node}", &SMALL[15..]);
                let (_, stderr) = ends(1, name, &args);
                assert!(stderr.contains(says), "{name}: {stderr}");
            });
        }
    });
}

/// A node that answers `init` and echoes; before `init` it does something else.
fn hasty(name: &str, early: &str) -> String {
    let text = r#"
ready=no
while read -r line; do
    id=$(printf %s "$line" | sed 's/.*"msg_id":\([0-9]*\).*/\1/')
    to=$(printf %s "$line" | sed 's/.*"src":"\(c[0-9]*\)".*/\1/')
    case $line in
    *'"init"'*) ready=yes body='"type":"init_ok"' ;;
    *)
        if [ $ready = no ]; then EARLY; fi
        echo=$(printf %s "$line" | sed 's/.*"echo":\("[^"]*"\).*/\1/')
        body="\"type\":\"echo_ok\",\"echo\":$echo"
        ;;
    esac
    printf '{"src":"n0","dest":"%s","body":{%s,"in_reply_to":%s}}\n' "$to" "$body" "$id"
done"#;
    script(name, &text.replace("EARLY", early))
}

#[test]
fn a_node_that_dies_or_speaks_without_a_name_before_init_is_told_what_came_before_it() {
    for (name, early, what) in [
        ("early-death", "exit 5", " died; exit status: 5; "),
        (
            "early-word",
            r#"echo '{"src":"","dest":"c0","body":{}}'; continue"#,
            " wrote a malformed line: ",
        ),
    ] {
        let node = hasty(name, early);
        let args = format!(
            "workload echo --node-count 1 --time-limit 10 --rate 60 --concurrency 50n --quiet 0 --nemesis kill \
             --nemesis-interval 0.2 --bin {node}"
        );
        let (_, stderr) = ends(1, name, &args);
        assert!(stderr.contains(what), "{stderr}");
        let says = " came before its init, as with Maelstrom: until init a node must ignore";
        assert!(stderr.contains(says), "{stderr}");
    }
}

#[test]
fn a_signal_ends_all_challenges_with_one_sentence_and_no_row() {
    let child = testbed("signal-board", "challenges --only 1,3a,3b")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("signal-board");
    let started = Instant::now();
    while !folder
        .join("target/runs/challenges/1/node-logs/n0.log")
        .exists()
    {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it began nothing"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status();
    assert!(killed.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "testbed: interrupted by signal 2 in challenge 1\n"
    );
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "the head alone: {stdout}");
}

#[test]
fn progress_and_colours_are_for_terminals_that_can_show_them() {
    let run = || testbed("terminal", "efficient --virtual --time-limit 1");
    let drawn = on_a_terminal(run(), "xterm");
    assert!(drawn.contains("\r\x1b[K25 nodes "), "{drawn}");
    assert!(drawn.contains("PASS"), "{drawn}");
    assert!(on_a_terminal(testbed("terminal", "trace"), "xterm").contains("\x1b[32m"));
    for command in [run(), testbed("terminal", "trace")] {
        let drawn = on_a_terminal(command, "dumb");
        assert!(!drawn.contains('\x1b'), "{drawn}");
    }
    let (_, stderr) = ends(0, "terminal", "efficient --virtual --time-limit 1");
    assert_eq!(stderr, "", "a pipe is no terminal");
}

#[test]
fn what_nodes_say_on_stderr_is_shown_if_asked_for_each_line_with_the_nodes_name() {
    let args = "workload echo --node-count 2 --time-limit 1 --quiet 0";
    let (_, stderr) = ends(0, "log-stderr", &format!("{args} --log-stderr"));
    for node in ["n0: level=info event=init", "n1: level=info event=init"] {
        assert!(stderr.contains(node), "{stderr}");
    }
    assert!(stderr.lines().all(|line| line.starts_with('n')), "{stderr}");
    assert_eq!(ends(0, "log-stderr", args).1, "");
}

#[test]
fn tables_fit_a_terminal_of_80_columns_and_each_figure_has_one_name() {
    for args in [
        "efficient --virtual",
        "crash --virtual",
        "workload kafka --virtual",
    ] {
        let (stdout, _) = ends(0, "columns", args);
        let (_, report) = stdout.split_once("\n\n").expect("a headline");
        let (table, _) = report.rsplit_once("\n\n").expect("a verdict");
        assert!(
            table.lines().all(|line| line.chars().count() <= 80),
            "{stdout}"
        );
        assert!(!stdout.contains("retransmitted"), "{stdout}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    for (args, part) in [
        ("efficient --loss 7", "--loss takes a number from 0 to 1"),
        (
            "efficient -- --within-ms x",
            "--within-ms takes a whole number",
        ),
        ("fly", "unknown command 'fly'"),
        (
            "workload fly",
            "takes one of these names first, not 'fly': broadcast, echo",
        ),
    ] {
        let (_, stderr) = ends(2, "usage", args);
        assert!(stderr.contains(part), "{args}: {stderr}");
    }
    let (stdout, _) = ends(0, "usage", "");
    assert!(stdout.starts_with("usage: ./run.sh COMMAND"));
}

#[test]
fn a_signal_ends_the_run_and_no_node_is_left() {
    // Each node leaves its process number behind.
    let pids = folder("signal-pids");
    let node = script(
        "signal",
        &format!(
            "echo $$ > {}/$$; exec {} --log error",
            pids.display(),
            env!("CARGO_BIN_EXE_hubcast")
        ),
    );
    let mut command = testbed("signal", &format!("efficient --node-count 3 --bin {node}"));
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let nodes = || -> Vec<String> {
        let entries = std::fs::read_dir(&pids).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    while nodes().len() < 3 {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "the nodes did not start"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let signal = |number: &str, pid: &str| {
        let status = Command::new("kill")
            .args([number, pid])
            .stderr(Stdio::null())
            .status();
        status.expect("kill is there").success()
    };
    assert!(signal("-TERM", &child.id().to_string()));
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("interrupted by signal 15"));
    for pid in nodes() {
        assert!(!signal("-0", &pid), "node process {pid} is still there");
    }
}

#[test]
fn another_workload_has_its_own_folder_and_its_clients_are_spread_over_the_nodes() {
    let args = "workload echo --node-count 3 --concurrency 2n --time-limit 1 --quiet 0";
    let (stdout, _) = ends(0, "echo", args);
    assert!(stdout.starts_with("workload echo: 3 nodes, "), "{stdout}");
    assert!(stdout.contains("PASS: valid\n"), "no limits: {stdout}");
    assert!(stdout.contains("\nechos "), "{stdout}");
    let read = |name: &str| read(format!("echo/target/runs/workload-echo/{name}"));
    assert!(read("results.json").contains(r#""workload":"echo""#));
    let messages = read("messages.jsonl");
    for asks in [r#""src":"c0","dest":"n0""#, r#""src":"c5","dest":"n2""#] {
        assert!(messages.contains(asks), "{asks}");
    }
    assert!(!messages.contains("topology"), "that is broadcast's");
}

/// A node that answers `generate` with this id; `$id` is the request's number.
fn generator(name: &str, id: &str) -> String {
    let text = r#"
while read -r line; do
    id=$(printf %s "$line" | sed 's/.*"msg_id":\([0-9]*\).*/\1/')
    case $line in
    *'"generate"'*) body="\"type\":\"generate_ok\",\"id\":ID" ;;
    *'"init"'*) body='"type":"init_ok"' ;;
    *) continue ;;
    esac
    printf '{"src":"n0","dest":"c0","body":{%s,"in_reply_to":%s}}\n' "$body" "$id"
done"#;
    script(name, &text.replace("ID", id))
}

#[test]
fn another_programs_ids_are_judged_whatever_it_is() {
    let args = "workload unique-ids --node-count 1 --time-limit 1 --rate 20 --quiet 0 --bin";
    let honest = generator("ids", "[$id]");
    let (stdout, _) = ends(0, "ids", &format!("{args} {honest}"));
    assert!(stdout.contains("\ngenerates "), "{stdout}");
    let lazy = generator("same-id", "7");
    let (stdout, _) = ends(1, "same-id", &format!("{args} {lazy}"));
    assert!(stdout.contains("n0 gave the id 7 twice"), "{stdout}");
    assert!(stdout.contains("FAIL: not valid\n"), "{stdout}");
}

#[test]
fn every_workload_gets_over_partitions_kills_and_pauses() {
    for workload in [
        "echo",
        "unique-ids",
        "g-set",
        "g-counter",
        "pn-counter",
        "kafka",
        "txn-rw-register",
    ] {
        let args = format!(
            "workload {workload} --virtual --node-count 5 --nemesis partition,kill,pause \
             --nemesis-interval 1.5 --seed 2"
        );
        ends(0, "every", &args);
        let folder = format!("every/target/runs/workload-{workload}");
        let results = read(folder + "/results.json");
        assert!(results.contains(r#"{"fault":"kill","#), "{results}");
    }
}

#[test]
fn real_nodes_of_another_workload_come_back_with_their_journals() {
    let args = "workload g-set --node-count 3 --time-limit 3 --latency 10 --quiet 2 \
                --nemesis kill --nemesis-interval 0.4";
    let (stdout, _) = ends(0, "killed-set", args);
    assert!(stdout.contains("\n0 values lost, "), "{stdout}");
    read("killed-set/target/runs/workload-g-set/data/n2.journal");
}

#[test]
fn where_no_answer_could_show_a_recovery_the_table_says_so() {
    let args = "workload echo --virtual --nemesis partition --nemesis-interval 2";
    let (stdout, _) = ends(0, "unjudged", args);
    assert!(stdout.contains("  not judged\n"), "{stdout}");
}

#[test]
fn the_board_shows_all_challenges_and_each_has_its_files() {
    let (stdout, _) = ends(0, "board", "challenges --virtual");
    assert!(stdout.ends_with("\nPASS: 14 of 14 passed\n"), "{stdout}");
    for id in [
        "1", "2", "3a", "3b", "3c", "3d", "3e", "4", "5a", "5b", "5c", "6a", "6b", "6c",
    ] {
        assert!(stdout.contains(&format!("\n{id:<10}")), "{id}: {stdout}");
    }
    let efficient = "\n3e        broadcast           25   100  PASS ";
    assert!(stdout.contains(efficient), "{stdout}");
    let read = |name: &str| read(format!("board/target/runs/challenges/{name}"));
    let results = read("3d/results.json");
    assert!(results.contains(r#""limits":{"3d":true}"#), "{results}");
    let page = read("3c/report.html");
    let command = "./run.sh workload broadcast --node-count 5 --rate 10 --latency 0 \
                   --nemesis partition --virtual --seed 1";
    assert!(page.contains(command), "it can be run alone");
}

/// Stands in for Maelstrom: takes its options, leaves its results.
const MAELSTROM: &str = r#"
echo "$@" > arguments
mkdir -p store/latest
cat > store/latest/results.edn <<'END'
{:net {:servers {:send-count 3404, :msgs-per-op 1.72}, :valid? true},
 :workload {:stable-latencies {0 0, 0.5 268, 0.95 340, 0.99 350, 1 371}},
 :valid? true}
END
"#;

#[test]
fn with_maelstrom_its_verdict_stands_in_the_same_table() {
    let program = script("maelstrom", MAELSTROM);
    let output = testbed("maelstrom", "efficient --maelstrom")
        .env("MAELSTROM", program)
        .output()
        .unwrap();
    let stdout = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{stdout}{}",
        text(&output.stderr)
    );
    assert!(
        stdout.contains("for 20 s, on Maelstrom\n") && !stdout.contains("seed"),
        "Maelstrom has no seed: {stdout}"
    );
    assert!(
        stdout.contains("1.72") && stdout.contains("268 ms") && stdout.contains("371 ms"),
        "{stdout}"
    );
    let arguments = read("maelstrom/target/runs/maelstrom/arguments");
    assert!(arguments.contains("test -w broadcast") && arguments.contains("--latency 100"));
}

#[test]
fn with_maelstrom_the_board_has_its_figures_and_the_series_options_are_passed_on() {
    let program = script("maelstrom-board", MAELSTROM);
    let mut command = testbed("maelstrom-board", "challenges --maelstrom");
    let output = command.env("MAELSTROM", program).output().unwrap();
    let stdout = text(&output.stdout);
    let row = "3c        broadcast            5    10  PASS            1.72    268 ms    371 ms\n";
    assert!(stdout.contains(row), "{stdout}");
    let arguments = read("maelstrom-board/target/runs/challenges/3c/arguments");
    for part in [
        "test -w broadcast --bin",
        "--node-count 5 --time-limit 20 --rate 10 --latency 0",
        "--nemesis partition --nemesis-interval 10",
    ] {
        assert!(arguments.contains(part), "{arguments}");
    }
}

#[test]
fn a_maelstrom_that_crashes_or_is_missing_is_reported() {
    let program = script("no-results", "echo 'No such workload'; exit 255");
    let output = testbed("no-results", "efficient")
        .env("MAELSTROM", program)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("left no results (exit status: 255)")
            && stderr.contains("No such workload"),
        "{stderr}"
    );
    let output = testbed("no-results", "efficient")
        .env("MAELSTROM", "maelstrom/maelstrom")
        .output()
        .unwrap();
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("MAELSTROM names maelstrom/maelstrom (taken from /"),
        "{stderr}"
    );
    let output = testbed("no-results", "efficient --maelstrom")
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Maelstrom was not found: unpack"));
}

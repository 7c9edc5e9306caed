//! The real node over real pipes: framing, endings, garbage.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

const INIT: &str = r#"{"src":"c0","dest":"n1","body":{"type":"init","msg_id":1,"node_id":"n1","node_ids":["n1"]}}"#;
const INIT_OK: &str = r#"{"src":"n1","dest":"c0","body":{"type":"init_ok","in_reply_to":1}}"#;

/// A running node, its input still open.
struct Node {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

fn spawn(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hubcast"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the node starts")
}

impl Node {
    fn start() -> Node {
        let mut child = spawn(&["--log", "error"]);
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut node = Node {
            child,
            stdin,
            stdout,
        };
        node.write(&format!("{INIT}\n"));
        assert_eq!(node.line(), INIT_OK);
        node
    }

    fn write(&mut self, text: &str) {
        self.stdin
            .write_all(text.as_bytes())
            .expect("the node reads");
        self.stdin.flush().unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

/// Runs a node on the whole input and gives what it left.
fn run(input: &[u8]) -> Output {
    let mut child = spawn(&[]);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // In a thread of its own, as the node may stop reading to be read.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn request(id: usize, body: &str) -> String {
    format!(r#"{{"src":"c0","dest":"n1","body":{{"msg_id":{id},{body}}}}}"#)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_message_may_come_in_pieces() {
    let mut node = Node::start();
    let echo = request(2, r#""type":"echo","echo":"häppchen""#) + "\n";
    // Cuts through a name, through a character's two bytes and before the line break.
    let cut = echo.find('ä').unwrap() + 1;
    for piece in [
        &echo.as_bytes()[..9],
        &echo.as_bytes()[9..cut],
        &echo.as_bytes()[cut..],
    ] {
        node.stdin.write_all(piece).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(
        node.line(),
        r#"{"src":"n1","dest":"c0","body":{"type":"echo_ok","in_reply_to":2,"echo":"häppchen"}}"#
    );
}

#[test]
fn many_messages_may_come_in_one_write() {
    let mut input = format!("{INIT}\n");
    for id in 2..10_002 {
        input += &(request(id, &format!(r#""type":"broadcast","message":{id}"#)) + "\n");
    }
    let output = run(input.as_bytes());
    assert!(output.status.success());
    let stdout = text(&output.stdout);
    let replies: Vec<&str> = stdout.lines().collect();
    assert_eq!(replies.len(), 10_001);
    for (line, id) in replies[1..].iter().zip(2..) {
        assert!(
            line.ends_with(&format!(r#""in_reply_to":{id}}}}}"#)),
            "in order: {line}"
        );
    }
}

#[test]
fn the_end_of_the_input_is_the_end_of_the_node_and_a_last_line_needs_no_line_break() {
    let output = run(format!("{INIT}\n{}", request(2, r#""type":"read""#)).as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let read =
        r#"{"src":"n1","dest":"c0","body":{"type":"read_ok","in_reply_to":2,"messages":[]}}"#;
    assert_eq!(text(&output.stdout), format!("{INIT_OK}\n{read}\n"));
    assert_eq!(run(b"").status.code(), Some(0));
}

#[test]
fn a_closed_stdout_ends_the_node_without_a_panic() {
    let Node {
        mut child,
        mut stdin,
        stdout,
    } = Node::start();
    drop(stdout);
    // The node may end between two of these.
    for id in 2..100 {
        let line = request(id, r#""type":"read""#) + "\n";
        if stdin.write_all(line.as_bytes()).is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    drop(stdin);
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(
        child.wait().unwrap().code(),
        Some(1),
        "output that went nowhere is no success"
    );
    assert!(
        stderr.contains("event=exit") && !stderr.contains("panicked"),
        "{stderr}"
    );
}

/// What `script` does with `$0`, the node, and an empty input.
fn shell(script: &str) -> Output {
    Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_hubcast")])
        .stdin(Stdio::null())
        .output()
        .expect("sh runs")
}

#[test]
fn without_a_stdout_the_node_says_so_and_fails() {
    for script in ["exec \"$0\" >&-", "exec \"$0\" --version >&-"] {
        let output = shell(script);
        assert_eq!(output.status.code(), Some(1), "{script}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains("stdout is closed"), "{script}: {stderr}");
    }
}

#[test]
fn a_stdout_that_somebody_sent_to_dev_null_is_no_mistake() {
    for script in ["exec \"$0\" >/dev/null", "exec \"$0\" 1<>/dev/null"] {
        let output = shell(script);
        assert_eq!(output.status.code(), Some(0), "{script}");
        assert_eq!(text(&output.stderr), "", "{script}");
    }
}

#[test]
fn an_unread_stderr_delays_no_answer_and_what_could_not_be_logged_is_counted() {
    const BAD: usize = 2000;
    let mut child = spawn(&[]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let stderr = child.stderr.take().unwrap();
    let (sender, answer) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = stdout.read_line(&mut line);
        let _ = sender.send((line, stdout));
    });
    let bad = "x".repeat(150) + "\n";
    let writer = std::thread::spawn(move || {
        stdin.write_all(bad.repeat(BAD).as_bytes()).unwrap();
        stdin.write_all(format!("{INIT}\n").as_bytes()).unwrap();
        stdin
    });
    let patience = std::time::Duration::from_secs(10);
    let (line, _stdout) = answer.recv_timeout(patience).expect("an answer");
    assert_eq!(line.trim_end(), INIT_OK);
    // Now somebody reads, and is told what was missed, though nothing else happens.
    let mut log = BufReader::new(stderr).lines().map(Result::unwrap);
    let mut refused = 0;
    let dropped: usize = loop {
        let line = log.next().expect("a record of what was dropped");
        if let Some(records) = line.strip_prefix("level=warn event=dropped records=") {
            break records.parse().unwrap();
        }
        assert!(line.starts_with("level=warn event=refused "), "{line}");
        refused += 1;
    };
    assert_eq!(
        refused + dropped,
        BAD + 1,
        "{dropped} dropped, one of them info"
    );
    drop(writer.join().unwrap());
    assert_eq!(log.next(), None);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_stderr_that_nobody_reads_to_the_end_does_not_keep_the_process() {
    let mut child = spawn(&[]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all("x\n".repeat(10_000).as_bytes()).unwrap();
    drop(stdin);
    let _unread = child.stderr.take();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// The most memory that a process ever had. Unit: KiB.
#[cfg(target_os = "linux")]
fn peak_memory(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let peak = line.and_then(|line| line.split_whitespace().nth(1));
    peak.unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_hub_of_500_nodes_passes_on_thousands_of_values_in_a_few_megabytes() {
    const VALUES: i64 = 8000;
    let mut child = spawn(&["--log", "error", "--within-ms", "3000"]);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let ids: Vec<String> = (0..500)
        .map(|id| format!("\"n{}\"", (id + 1) % 500))
        .collect();
    let mut input = format!(
        "{{\"src\":\"c0\",\"dest\":\"n1\",\"body\":{{\"type\":\"init\",\"msg_id\":1,\"node_id\":\"n1\",\"node_ids\":[{}]}}}}\n",
        ids.join(",")
    );
    for value in 0..VALUES {
        // Far apart and long.
        let value = i64::MIN + value * 1_000_003;
        input += &(request(2, &format!(r#""type":"broadcast","message":{value}"#)) + "\n");
    }
    let writer = std::thread::spawn(move || {
        stdin.write_all(input.as_bytes()).unwrap();
        stdin
    });
    let mut line = String::new();
    // All answers, and the first delta, which measures the network.
    for _ in 0..=VALUES + 1 {
        stdout.read_line(&mut line).unwrap();
    }
    let deltas = line.matches(r#""type":"delta""#).count();
    assert_eq!(deltas, 1, "the batch still gathers");
    let gathered = peak_memory(&child);
    // 1024 values a delta; nobody acknowledges, and all fit one window of the link. What
    // the first one took along spares another one at most.
    for _ in 1..499 * (VALUES as usize).div_ceil(1024) {
        line.clear();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains("delta"), "{line}");
    }
    let passed_on = peak_memory(&child) - gathered;
    assert!(passed_on < 16 << 10, "{passed_on} KiB more than the values");
    drop(writer.join().unwrap());
    drop(stdout);
    child.wait().unwrap();
}

#[test]
fn a_slow_reader_loses_nothing_and_sees_no_torn_line() {
    let mut input = format!("{INIT}\n");
    for id in 2..1002 {
        input += &(request(id, &format!(r#""type":"broadcast","message":{id}"#)) + "\n");
        input += &(request(id + 10_000, r#""type":"read""#) + "\n");
    }
    let mut child = spawn(&[]);
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
    // Two megabytes of replies: the pipe is full long before we begin to read.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 2001);
    assert!(
        stdout
            .lines()
            .all(|line| line.starts_with("{\"src\":\"n1\"") && line.ends_with("}}"))
    );
    let last = stdout.lines().last().unwrap();
    assert!(
        last.contains("\"messages\":[2,3,4,") && last.contains(",1000,1001]"),
        "{last}"
    );
}

#[test]
fn garbage_between_good_messages_is_logged_and_the_good_ones_are_answered() {
    let good = request(2, r#""type":"echo","echo":1"#);
    let mut input = format!("{INIT}\n").into_bytes();
    let garbage: [&[u8]; 8] = [
        b"hello",
        b"{\"src\":",
        b"\xff\xfe\x00",
        b"[1,2,3]",
        b"{}",
        b"{\"src\":\"n9\",\"dest\":\"n1\",\"body\":{\"type\":\"delta\",\"offset\":0,\"values\":[1],\"ack\":0}}",
        b"{\"src\":\"c0\",\"dest\":\"n1\",\"body\":{\"type\":\"delta\"}}",
        &[b'['; 100_000],
    ];
    for line in garbage {
        input.extend_from_slice(line);
        input.extend_from_slice(format!("\n{good}\n\r\n\n").as_bytes());
    }
    let output = run(&input);
    assert_eq!(output.status.code(), Some(0));
    let stdout = text(&output.stdout);
    assert_eq!(stdout.matches("echo_ok").count(), garbage.len());
    assert_eq!(
        stdout.lines().count(),
        1 + garbage.len(),
        "nothing else is said: {stdout}"
    );
    let stderr = text(&output.stderr);
    assert_eq!(
        stderr.matches("level=warn").count(),
        garbage.len(),
        "{stderr}"
    );
    assert!(stderr.len() < 5000, "a long line is logged in part");
}

#[test]
fn a_line_that_is_too_long_is_dropped_and_the_next_one_is_answered() {
    let mut input = format!("{INIT}\n").into_bytes();
    input.resize(input.len() + hubcast::stdio::MAX_LINE + 1, b' ');
    input.extend_from_slice(format!("\n{}\n", request(2, r#""type":"echo","echo":1"#)).as_bytes());
    let output = run(&input);
    assert_eq!(text(&output.stdout).lines().count(), 2);
    assert!(text(&output.stderr).contains("a line may have 16777216 bytes"));
}

#[test]
fn wrong_arguments_end_with_2_and_one_sentence() {
    for (args, part) in [
        (vec!["--fast"], "unknown option '--fast'"),
        (
            vec!["--within-ms", "soon"],
            "--within-ms takes a whole number from 0 to 3600000, not 'soon'",
        ),
    ] {
        let output = spawn(&args).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains(part) && stderr.lines().count() == 1,
            "{stderr}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = spawn(&["--help"]).wait_with_output().unwrap();
    assert!(help.status.success() && text(&help.stdout).contains("--within-ms"));
    let version = spawn(&["--version"]).wait_with_output().unwrap();
    assert_eq!(
        text(&version.stdout),
        format!("hubcast {}\n", env!("CARGO_PKG_VERSION"))
    );
}

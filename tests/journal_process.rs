//! The real node and its journal on a real disk: what a crash leaves, what is refused.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn init(node: &str) -> String {
    format!(
        "{{\"src\":\"c0\",\"dest\":\"{node}\",\"body\":{{\"type\":\"init\",\"msg_id\":1,\"node_id\":\"{node}\",\"node_ids\":[\"{node}\"]}}}}\n"
    )
}

fn broadcast(value: i64) -> String {
    format!(
        "{{\"src\":\"c0\",\"dest\":\"n1\",\"body\":{{\"type\":\"broadcast\",\"msg_id\":{value},\"message\":{value}}}}}\n"
    )
}

const READ: &str = "{\"src\":\"c0\",\"dest\":\"n1\",\"body\":{\"type\":\"read\",\"msg_id\":9}}\n";

/// A folder of this test's own, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Folder {
        let name = format!("hubcast-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }

    fn journal(&self) -> PathBuf {
        self.0.join("n1.journal")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.journal()).expect("a journal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        let _ = std::fs::remove_file(&self.0);
    }
}

fn spawn(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the node starts")
}

fn node(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubcast"));
    command.arg("--data-dir").arg(folder);
    command
}

/// What a node leaves that is given this input.
fn run(command: &mut Command, input: &str) -> Output {
    let mut child = spawn(command);
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // The node may end before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The values that a read shows after a restart, and the log.
fn restarted(folder: &Folder) -> (String, String) {
    let output = run(&mut node(&folder.0), &(init("n1") + READ));
    let (stdout, log) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{log}");
    let values = stdout.split("\"messages\":").nth(1).expect("a read_ok");
    (values.trim_end_matches("}}\n").to_owned(), log)
}

/// A refused start: it says one sentence and answers nothing.
fn refusal(command: &mut Command, node: &str) -> String {
    let output = run(command, &init(node));
    let log = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert_eq!(text(&output.stdout), "", "nothing is answered");
    let exit = log.lines().find(|line| line.contains("event=exit"));
    exit.expect("a reason").to_owned()
}

fn epoch(log: &str) -> u64 {
    let restored = log.split("event=restored ").nth(1).expect("a start");
    let epoch = restored.split("epoch=").nth(1).expect("an epoch");
    epoch.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_and_the_next_life_has_a_higher_number() {
    let folder = Folder::new("kill");
    let mut child = spawn(&mut node(&folder.0));
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(init("n1").as_bytes()).unwrap();
    assert!(answers.next().unwrap().unwrap().contains("init_ok"));
    for value in [3, 4, 5, 8] {
        stdin.write_all(broadcast(value).as_bytes()).unwrap();
        assert!(answers.next().unwrap().unwrap().contains("broadcast_ok"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (values, first) = restarted(&folder);
    assert_eq!(values, "[3,4,5,8]");
    let (values, second) = restarted(&folder);
    assert_eq!(values, "[3,4,5,8]");
    assert!(epoch(&second) > epoch(&first));
}

#[test]
fn a_turn_is_one_record_and_a_long_journal_becomes_short() {
    let folder = Folder::new("long");
    let values: String = (0..100_000).map(broadcast).collect();
    let output = run(&mut node(&folder.0), &(init("n1") + &values));
    assert_eq!(text(&output.stdout).lines().count(), 100_001);
    let journal = text(&folder.bytes());
    assert!(journal.len() < 100_000, "{} bytes", journal.len());
    assert!(journal.contains(r#"{"holds":[[0,"#), "in short");
    assert!(!folder.0.join("n1.journal.new").exists());
    let (values, log) = restarted(&folder);
    assert_eq!(values.split(',').count(), 100_000);
    assert!(log.contains("event=restored items=100000 "), "{log}");
}

#[test]
fn a_torn_end_is_cut_off_with_a_warning() {
    let folder = Folder::new("torn");
    run(&mut node(&folder.0), &(init("n1") + &broadcast(3)));
    let whole = folder.bytes();
    let torn = [&whole[..], &whole[whole.len() - 20..whole.len() - 3]].concat();
    std::fs::write(folder.journal(), &torn).unwrap();
    let (values, log) = restarted(&folder);
    assert_eq!(values, "[3]");
    assert!(
        log.contains("level=warn event=torn journal=\"line 4: it has no end\""),
        "{log}"
    );
    assert!(folder.bytes().starts_with(&whole), "the good part is kept");
    assert!(!restarted(&folder).1.contains("torn"), "once");
}

#[test]
fn a_flipped_bit_is_refused_with_file_and_line() {
    let folder = Folder::new("bit");
    let values = broadcast(3) + &broadcast(4);
    run(&mut node(&folder.0), &(init("n1") + &values));
    let mut bytes = folder.bytes();
    let place = bytes.iter().rposition(|&byte| byte == b'3').unwrap();
    bytes[place] ^= 1;
    std::fs::write(folder.journal(), &bytes).unwrap();
    let reason = refusal(&mut node(&folder.0), "n1");
    assert!(
        reason.contains("n1.journal, line 3: its checksum is wrong."),
        "{reason}"
    );
    assert!(reason.contains("move the file away"), "{reason}");
    assert_eq!(folder.bytes(), bytes, "it is left as it is");
}

#[test]
fn another_nodes_journal_is_refused() {
    let folder = Folder::new("name");
    run(&mut node(&folder.0), &init("n1"));
    std::fs::rename(folder.journal(), folder.0.join("n2.journal")).unwrap();
    let reason = refusal(&mut node(&folder.0), "n2");
    assert!(
        reason.contains("line 1: this is the journal of n1, and the node is n2"),
        "{reason}"
    );
    let reason = refusal(&mut node(&folder.0), "../n1");
    assert!(reason.contains("a name that a file may have"), "{reason}");
}

#[test]
fn a_second_process_with_the_same_journal_is_refused() {
    let folder = Folder::new("two");
    let mut first = spawn(&mut node(&folder.0));
    let mut stdin = first.stdin.take().unwrap();
    let mut answers = BufReader::new(first.stdout.take().unwrap()).lines();
    stdin.write_all(init("n1").as_bytes()).unwrap();
    answers.next().unwrap().unwrap();
    let reason = refusal(&mut node(&folder.0), "n1");
    assert!(reason.contains("another process has locked"), "{reason}");
    drop(stdin);
    assert_eq!(first.wait().unwrap().code(), Some(0));
    restarted(&folder);
}

#[test]
fn a_folder_that_cannot_be_one_is_refused() {
    let folder = Folder::new("file");
    std::fs::write(&folder.0, "a file").unwrap();
    let reason = refusal(&mut node(&folder.0), "n1");
    assert!(reason.contains("cannot make the folder"), "{reason}");
}

#[test]
fn a_full_disk_ends_the_node_before_it_answers_what_it_cannot_store() {
    let folder = Folder::new("full");
    // A file of at most 16 blocks (POSIX: of 512 bytes), and an error beyond it
    // instead of the signal that comes with it.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" --data-dir \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_hubcast")]);
    command.arg(&folder.0);
    let mut child = spawn(&mut command);
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(init("n1").as_bytes()).unwrap();
    answers.next().unwrap().unwrap();
    let mut acknowledged = 0;
    // One at a time, far apart: each has a record of its own.
    while stdin
        .write_all(broadcast(acknowledged * 1000).as_bytes())
        .is_ok()
        && let Some(Ok(answer)) = answers.next()
    {
        assert!(answer.contains("broadcast_ok"));
        acknowledged += 1;
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stderr);
    assert!(log.contains("cannot write"), "{log}");
    assert!(acknowledged > 100, "{acknowledged}");
    let (values, _) = restarted(&folder);
    let stored = values.split(',').count() as i64;
    assert!(
        (acknowledged..=acknowledged + 1).contains(&stored),
        "{stored} stored, {acknowledged} acknowledged"
    );
}

#[test]
fn without_a_folder_nothing_is_stored_and_nothing_is_remembered() {
    let folder = Folder::new("none");
    std::fs::create_dir_all(&folder.0).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubcast"));
    command.current_dir(&folder.0);
    run(&mut command, &(init("n1") + &broadcast(3)));
    let mut files = std::fs::read_dir(&folder.0).unwrap();
    assert!(files.next().is_none());
}

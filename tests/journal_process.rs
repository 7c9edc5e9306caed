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

/// What is left is started again: the values that it shows, and what its warning says.
fn after_a_tear(folder: &Folder, left: &[u8]) -> (String, String) {
    std::fs::write(folder.journal(), left).unwrap();
    let (values, log) = restarted(folder);
    let warning = log.lines().find(|line| line.contains("event=torn"));
    let warning = warning.unwrap_or_default().to_owned();
    assert!(!restarted(folder).1.contains("event=torn"), "once");
    (values, warning)
}

/// A journal that was synced, and holds 3; and what a turn with many values appends,
/// some pages, before its sync.
fn written_and_not_synced(test: &str) -> (Folder, Vec<u8>, Vec<u8>) {
    let folder = Folder::new(test);
    run(&mut node(&folder.0), &(init("n1") + &broadcast(3)));
    let values: Vec<i64> = (1..=2000).map(|value| value * 1000).collect();
    let mut turn = Vec::new();
    hubcast::journal::write_items(&mut turn, &values);
    assert!(turn.len() > 3 * PAGE);
    let synced = folder.bytes();
    (folder, synced, turn)
}

/// What is written at once. Unit: bytes.
const PAGE: usize = 4096;

/// Where it stands for the last time.
fn place_of(word: &str, bytes: &[u8]) -> usize {
    let mut places = bytes.windows(word.len());
    places
        .rposition(|part| part == word.as_bytes())
        .expect(word)
}

#[test]
fn a_torn_end_is_cut_off_with_a_warning() {
    let (folder, synced, turn) = written_and_not_synced("torn");
    let shorter = [&synced, &turn[..17]].concat();
    let (values, warning) = after_a_tear(&folder, &shorter);
    assert_eq!(values, "[3]");
    let text = "level=warn event=torn journal=\"line 5: it has no end; \
                the 17 bytes from there on are cut off, as no mark says that they were synced\"";
    assert_eq!(warning, text);
    assert!(folder.bytes().starts_with(&synced), "the good part is kept");

    let zeros = [&synced[..], &[0; 3 * PAGE]].concat();
    let (values, warning) = after_a_tear(&folder, &zeros);
    assert_eq!(values, "[3]");
    assert!(
        warning.contains("line 5: it has no end; the 12288 bytes"),
        "{warning}"
    );
}

#[test]
fn any_pages_of_what_was_not_synced_may_be_missing() {
    let (folder, synced, turn) = written_and_not_synced("pages");
    let whole = [&synced[..], &turn, &turn].concat();
    let pages = whole.len() / PAGE;
    for missing in 0..pages {
        let mut left = whole.clone();
        let start = (missing * PAGE).max(synced.len());
        left[start..(missing + 1) * PAGE].fill(0);
        let (values, warning) = after_a_tear(&folder, &left);
        // The first of the two turns is whole if a page of the second is missing.
        let whole_turn = start >= synced.len() + turn.len();
        assert_eq!(values.split(',').count(), if whole_turn { 2001 } else { 1 });
        assert!(warning.contains("some of it is zeros"), "{warning}");
    }
}

#[test]
fn a_first_write_may_have_lost_its_first_page_or_any_other_part() {
    let (folder, synced, turn) = written_and_not_synced("first");
    let mut lines = synced.split_inclusive(|&byte| byte == b'\n');
    let (head, start) = (lines.next().unwrap(), lines.next().unwrap());
    let first = [head, start, &turn].concat();
    let without = |range: std::ops::Range<usize>| {
        let mut left = first.clone();
        left[range].fill(0);
        left
    };
    for left in [
        without(0..PAGE),
        without(0..first.len()),
        without(PAGE..2 * PAGE),
        without(10..20),
        first[..20].to_vec(),
        vec![0],
    ] {
        let (values, warning) = after_a_tear(&folder, &left);
        assert_eq!(values, "[]");
        assert!(warning.contains("level=warn"), "{warning}");
        assert!(folder.bytes().starts_with(head), "it begins anew");
    }
}

#[test]
fn what_a_sync_covered_is_refused_with_file_and_line_though_a_tear_follows_it() {
    let (folder, synced, turn) = written_and_not_synced("covered");
    let place = place_of("items", &synced);
    for behind in [&[][..], &turn[..100], &[0; PAGE]] {
        let mut left = [&synced[..], behind].concat();
        left[place] = 0;
        std::fs::write(folder.journal(), &left).unwrap();
        let reason = refusal(&mut node(&folder.0), "n1");
        let text = "n1.journal, line 3: some of it is zeros, and the mark at byte ";
        assert!(reason.contains(text), "{reason}");
        assert_eq!(folder.bytes(), left, "it is left as it is");
    }
}

#[test]
fn a_flipped_bit_is_refused_with_file_and_line() {
    let folder = Folder::new("bit");
    let values = broadcast(3) + &broadcast(4);
    run(&mut node(&folder.0), &(init("n1") + &values));
    let mut bytes = folder.bytes();
    // In the last turn.
    let place = place_of("items", &bytes);
    bytes[place] ^= 1;
    std::fs::write(folder.journal(), &bytes).unwrap();
    let reason = refusal(&mut node(&folder.0), "n1");
    assert!(
        reason.contains("n1.journal, line 3: its checksum is wrong, and the mark at byte"),
        "{reason}"
    );
    assert!(reason.contains("move the file away"), "{reason}");
    assert_eq!(folder.bytes(), bytes, "it is left as it is");
}

#[test]
fn a_journal_of_the_former_format_is_read_and_goes_on_with_marks() {
    let folder = Folder::new("former");
    std::fs::create_dir_all(&folder.0).unwrap();
    let former = "1b92e28c {\"journal\":1,\"node\":\"n1\"}\n\
                  df2ff689 {\"epoch\":17}\n\
                  14c29a32 {\"items\":[3,5,8]}\n";
    let (values, warning) = after_a_tear(&folder, &[former, "14c2"].concat().into_bytes());
    assert_eq!(values, "[3,5,8]");
    assert!(warning.contains("line 4: it has no end"), "{warning}");
    let bytes = folder.bytes();
    assert!(bytes.starts_with(former.as_bytes()));
    assert!(text(&bytes).contains("{\"synced\":"));
    let damaged = former.replace("17", "18");
    std::fs::write(folder.journal(), damaged).unwrap();
    let reason = refusal(&mut node(&folder.0), "n1");
    assert!(
        reason.contains("line 2: its checksum is wrong."),
        "{reason}"
    );
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

/// Some values at a time, far apart: their short form is hardly shorter. Gives whether all
/// were answered.
fn broadcast_some(
    values: std::ops::Range<i64>,
    stdin: &mut impl Write,
    answers: &mut impl Iterator<Item = std::io::Result<String>>,
) -> bool {
    let values: Vec<String> = values.map(|value| broadcast(value * 1000)).collect();
    values.chunks(100).all(|some| {
        stdin.write_all(some.concat().as_bytes()).is_ok()
            && answers
                .take(some.len())
                .all(|answer| answer.unwrap().contains("broadcast_ok"))
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_too_full_to_rewrite_a_journal_costs_a_warning_and_the_node_tries_again_later() {
    let folder = Folder::new("rewrite");
    let mut child = spawn(&mut node(&folder.0));
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    stdin.write_all(init("n1").as_bytes()).unwrap();
    answers.next().unwrap().unwrap();
    // Whatever is written there finds no room.
    let new = folder.0.join("n1.journal.new");
    std::os::unix::fs::symlink("/dev/full", &new).unwrap();
    assert!(broadcast_some(0..9000, &mut stdin, &mut answers));
    assert!(std::fs::symlink_metadata(&new).is_err(), "it is removed");
    let long = folder.bytes().len();
    assert!(long > 64 << 10 && !text(&folder.bytes()).contains("holds"));
    assert!(broadcast_some(9000..18_000, &mut stdin, &mut answers));
    assert!(
        text(&folder.bytes()).contains("holds"),
        "now there was room"
    );
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let log = text(&output.stderr);
    let warnings: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("level=warn"))
        .collect();
    let [warning] = warnings[..] else {
        panic!("one warning: {log}");
    };
    assert!(
        warning.contains("event=not-rewritten reason=\"cannot write "),
        "{warning}"
    );
    assert!(
        warning.contains("n1.journal.new: No space left"),
        "{warning}"
    );
    let (values, _) = restarted(&folder);
    assert_eq!(values.split(',').count(), 18_000);
}

#[test]
fn the_part_of_a_file_that_a_rewriting_left_is_removed_at_the_next_start() {
    let folder = Folder::new("left");
    run(&mut node(&folder.0), &(init("n1") + &broadcast(3)));
    let new = folder.0.join("n1.journal.new");
    std::fs::write(&new, vec![b'x'; 1 << 20]).unwrap();
    assert_eq!(restarted(&folder).0, "[3]");
    assert!(!new.exists());
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

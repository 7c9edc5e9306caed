//! The stories of the lesson: each `tests/stories/NAME.story` is told, and must read
//! word for word as `NAME.txt` beside it. Some have a picture, `NAME.svg`, which must be
//! the same byte for byte.
//!
//! Where the nodes are to behave in another way now, look at what has changed:
//!
//! ```text
//! REFRESH=1 cargo test --test stories && git diff tests/stories
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most columns of a line.
const WIDTH: usize = 100;

fn stories() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories")
}

/// The testbed's trace of `args`, called in a folder of its own.
fn trace(name: &str, args: &[&Path]) -> Output {
    trace_in_folder(name, args).0
}

/// The same, and the folder.
fn trace_in_folder(name: &str, args: &[&Path]) -> (Output, PathBuf) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    // Tests run side by side, and two traces in one folder would be refused.
    let folder = format!("story-{name}-{call}");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_testbed"));
    command.arg("trace").args(args).current_dir(&folder);
    command.stdin(Stdio::null());
    (command.output().expect("the testbed starts"), folder)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The files with this ending, in their order.
fn files(ending: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(stories()).expect("the stories");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == ending));
    files.sort();
    files
}

/// All stories: name, file, and how it is told now.
fn told() -> Vec<(String, PathBuf, String)> {
    let files = files("story");
    assert!(files.len() >= 10, "{files:?}");
    let tell = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let output = trace(&name, &[&path]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        (name.into_owned(), path.clone(), text(&output.stdout))
    };
    files.into_iter().map(tell).collect()
}

#[test]
fn each_story_reads_as_it_is_written_down_and_fits_a_terminal() {
    let refresh = std::env::var_os("REFRESH").is_some();
    let mut changed = Vec::new();
    for (name, path, now) in told() {
        let wide = now.lines().find(|line| line.chars().count() > WIDTH);
        assert_eq!(wide, None, "{name}");
        let path = path.with_extension("txt");
        if refresh {
            std::fs::write(&path, &now).expect("a file");
            continue;
        }
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        if before != now {
            let lines = now.lines().zip(before.lines());
            let first = lines.into_iter().find(|(now, before)| now != before);
            let (now, before) = first.unwrap_or(("(its end)", "(its end)"));
            changed.push(format!("{name}, before:\n{before}\nnow:\n{now}"));
        }
    }
    assert!(
        changed.is_empty(),
        "{}\nIf that is meant: REFRESH=1 cargo test --test stories",
        changed.join("\n")
    );
}

#[test]
fn each_picture_is_as_it_was_drawn_and_stands_alone() {
    let pictures = files("svg");
    assert!(pictures.len() >= 2, "{pictures:?}");
    for path in pictures {
        let story = path.with_extension("story");
        let (_, folder) = trace_in_folder("picture", &[&story]);
        let now = folder.join("target/runs/trace/story.svg");
        let now = std::fs::read_to_string(now).expect("trace draws it");
        if std::env::var_os("REFRESH").is_some() {
            std::fs::write(&path, &now).expect("a file");
        }
        let before = std::fs::read_to_string(&path).expect("a picture");
        let name = path.display();
        assert!(
            before == now,
            "{name} is drawn in another way now. If that is meant: \
             REFRESH=1 cargo test --test stories"
        );
        // A README shows it 900 pixels wide, as an image that may load nothing.
        let width = number_behind("width=", &now.replace('"', " ").replace("= ", "="));
        assert!(width.is_some_and(|width| width <= 900.0), "{name}");
        for size in now.split("font-size=\"").skip(1) {
            let size = size.split('"').next().and_then(|size| size.parse().ok());
            assert!(
                size.is_some_and(|size: f64| size >= 14.0),
                "{name}: {size:?}"
            );
        }
        for word in ["<script", "href", "url(", "<style", "<foreignObject"] {
            assert!(!now.contains(word), "{name}: {word}");
        }
    }
}

/// What a node does in a story, and decides: when, which node, by which mark, and the
/// words, be they on several lines.
fn deeds(story: &str) -> Vec<(f64, usize, char, String)> {
    // As wide as the head of the table, up to the words on the hub.
    let words = story.lines().find_map(|line| line.find("n0 is the hub"));
    let words = words.expect("a head");
    let mut found: Vec<(f64, usize, char, String)> = Vec::new();
    let mut open = false;
    for line in story.lines() {
        let (lanes, text) = line.split_at_checked(words).unwrap_or((line, ""));
        let clock = lanes.split_once(" s ").map(|(clock, _)| clock.trim());
        let at = clock.and_then(|clock| clock.parse().ok());
        match (at, lanes.find(['!', '[', '#']), found.last_mut()) {
            (Some(at), Some(mark), _) => {
                let sign = lanes[mark..].chars().next().expect("it was found");
                found.push((at, (mark - 11) / 5, sign, text.trim().into()));
                open = true;
            }
            (None, _, Some((.., before))) if open => *before += &format!(" {}", text.trim()),
            _ => open = false,
        }
    }
    found
}

/// The number behind some words.
fn number_behind(words: &str, text: &str) -> Option<f64> {
    let (_, rest) = text.split_once(words)?;
    rest.split(' ').next()?.parse().ok()
}

#[test]
fn a_batch_departs_when_it_was_announced_or_a_sentence_moves_it() {
    let (mut departed, mut moved) = (0, 0);
    for (name, _, story) in told() {
        let mut due: Option<f64> = None;
        for (at, node, sign, words) in deeds(&story) {
            if node != 0 {
                continue;
            }
            if let Some(said) = number_behind("departs at ", &words) {
                moved += usize::from(due.is_some());
                due = Some(said);
            } else if words.starts_with("its batch departs") {
                let said = due.take();
                departed += 1;
                assert!(
                    said.is_some_and(|said| (said - at).abs() < 0.0015),
                    "{name}: it departs at {at} s, {said:?} was said last"
                );
            } else if sign == '#' && words.starts_with("KILL") {
                due = None;
            }
        }
        assert_eq!(due, None, "{name}: a batch that was announced departs");
    }
    assert!(departed > 12 && moved > 0, "{departed}, {moved} moved");
}

#[test]
fn a_probe_comes_when_it_was_announced_or_says_what_news_brought_it_forward() {
    let mut probes = 0;
    for (name, _, story) in told() {
        let mut announced: Vec<(usize, String, f64)> = Vec::new();
        for (at, node, _, words) in deeds(&story) {
            let Some(probe) = words.strip_prefix("probes ") else {
                continue;
            };
            probes += 1;
            let peer = probe.split(' ').next().expect("a name").to_owned();
            let why = probe.split_once('(').expect(&words).1;
            let news = ["sign of life", "good news"];
            let known = announced
                .iter()
                .position(|(n, p, _)| (*n, p) == (node, &peer));
            if let Some(index) = known {
                let (_, _, due) = announced.remove(index);
                let early = at < due - 0.011;
                let has_news = news.iter().any(|news| why.starts_with(news));
                assert!(
                    at < due + 0.011,
                    "{name}: {at} s is late, {due} was said: {words}"
                );
                assert!(
                    !early || has_news,
                    "{name}: {at} s, before {due}, without news: {words}"
                );
            }
            let again = number_behind("again in ", &words);
            announced.extend(again.map(|again| (node, peer, at + again)));
        }
    }
    assert!(probes > 20, "{probes}");
}

#[test]
fn a_story_that_cannot_be_followed_is_refused_with_its_line_and_no_output() {
    let bad = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bad.story");
    std::fs::write(&bad, "0 broadcast n1 11\n5 heal\n").expect("a file");
    let output = trace("bad", &[&bad]);
    let stderr = text(&output.stderr);
    assert_eq!(
        (output.status.code(), text(&output.stdout).as_str()),
        (Some(2), "")
    );
    assert!(
        stderr.contains("bad.story, line 2: nothing is cut"),
        "{stderr}"
    );
    let output = trace("bad", &[Path::new("nowhere.story")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot read the story nowhere.story"));
}

#[test]
fn the_help_says_what_a_story_may_hold_and_without_a_file_the_tour_is_told() {
    let help = trace("help", &[Path::new("--help")]);
    assert_eq!(help.status.code(), Some(0));
    let help = text(&help.stdout);
    for word in [
        "nodes",
        "latency",
        "within",
        "journal",
        "broadcast",
        "lose",
        "cut",
        "heal",
    ] {
        assert!(help.contains(&format!(" {word} ")), "{word}: {help}");
    }
    assert!(
        help.lines().all(|line| line.chars().count() <= 80),
        "{help}"
    );
    let tour = trace("tour-built-in", &[]);
    let file = trace("tour-file", &[&stories().join("tour.story")]);
    assert_eq!(text(&tour.stdout), text(&file.stdout));
}

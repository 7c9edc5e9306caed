//! Is the lesson true? Every command in it is run, and what it prints compared with
//! what stands there: `./run.sh lesson`.
//!
//! A block shows some lines of the output, in their order. What is left out is left
//! out; what stands there must have been printed, to the digit. In virtual time that is
//! no luck.
//!
//! Where a figure has changed, `REFRESH=1 ./run.sh lesson` puts the new line in the place
//! of the old one, if it can tell which it is: the text around must be read again then.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The texts with commands in them.
const TEXTS: [&str; 2] = ["src/lesson.rs", "README.md"];

/// A command, and some lines of what it prints.
struct Block {
    text: &'static str,
    /// The number of the command's line, from 0 on.
    line: usize,
    command: String,
    /// Lines of the text: their numbers and what stands there.
    shown: Vec<(usize, String)>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A line as a reader sees it.
fn seen(line: &str) -> &str {
    match line.strip_prefix("//!") {
        Some(text) => text.strip_prefix(' ').unwrap_or(text),
        None => line,
    }
}

/// Whether a command prints the same each time: the lesson's do, and the README's in
/// virtual time.
fn is_exact(text: &str, command: &str) -> bool {
    text != "README.md"
        || ["--virtual", "./run.sh trace", "./run.sh frontier"]
            .iter()
            .any(|exact| command.contains(exact))
}

fn blocks(text: &'static str) -> Vec<Block> {
    let source = std::fs::read_to_string(root().join(text)).expect(text);
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    let mut in_fence = false;
    for (number, line) in source.lines().enumerate() {
        let line = seen(line);
        if line.starts_with("```") {
            (in_fence, is_open) = (!in_fence, false);
        } else if in_fence && line.starts_with("$ ./run.sh") {
            is_open = is_exact(text, line);
            if is_open {
                blocks.push(Block {
                    text,
                    line: number,
                    command: line["$ ".len()..].to_owned(),
                    shown: Vec::new(),
                });
            }
        } else if line.starts_with("$ ") {
            is_open = false;
        } else if is_open && !line.trim().is_empty() {
            let block = blocks.last_mut().expect("a block is open");
            block.shown.push((number, line.trim_end().to_owned()));
        }
    }
    blocks
}

/// What the command prints.
fn printed(command: &str) -> Vec<String> {
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(root())
        .env("NO_COLOR", "1")
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// A line without its figures: what it is about.
fn words(line: &str) -> String {
    let figure = |c: &char| c.is_numeric() || " .".contains(*c);
    line.chars().filter(|c| !figure(c)).collect()
}

/// For each line that stands there the line that was printed instead; `None`: nothing
/// like it.
type Differences = Vec<(usize, String, Option<String>)>;

fn differences(block: &Block) -> Differences {
    let printed = printed(&block.command);
    let mut rest = &printed[..];
    let mut differences = Vec::new();
    for (number, shown) in &block.shown {
        if let Some(place) = rest.iter().position(|line| line == shown) {
            rest = &rest[place + 1..];
            continue;
        }
        let like = rest.iter().position(|line| words(line) == words(shown));
        let instead = like.map(|place| rest[place].clone());
        if let Some(place) = like {
            rest = &rest[place + 1..];
        }
        differences.push((*number, shown.clone(), instead));
    }
    differences
}

/// Puts what was printed in the place of what stands there.
fn refresh(text: &str, differences: &Differences) {
    let path = root().join(text);
    let source = std::fs::read_to_string(&path).expect(text);
    let mut lines: Vec<String> = source.lines().map(str::to_owned).collect();
    for (number, shown, instead) in differences {
        if let Some(instead) = instead {
            lines[*number] = lines[*number].replace(shown.as_str(), instead);
        }
    }
    std::fs::write(&path, lines.join("\n") + "\n").expect(text);
}

#[test]
#[ignore = "runs every command of the lesson: ./run.sh lesson"]
fn the_lesson_prints_what_it_says() {
    let refreshes = std::env::var_os("REFRESH").is_some();
    let (mut compared, mut lines, mut wrong) = (0, 0, 0);
    for block in TEXTS.iter().flat_map(|text| blocks(text)) {
        let differences = differences(&block);
        (compared, lines) = (compared + 1, lines + block.shown.len());
        wrong += differences.len();
        let place = format!("{}:{}", block.text, block.line + 1);
        println!("{place}: {}, {} lines", block.command, block.shown.len());
        for (number, shown, instead) in &differences {
            let instead = instead.as_deref().unwrap_or("nothing like it");
            println!("  line {}: {shown}\n  it prints: {instead}", number + 1);
        }
        if refreshes {
            refresh(block.text, &differences);
        }
    }
    println!("{compared} blocks compared, {lines} lines, {wrong} differences");
    assert!(compared > 0, "there is a lesson");
    assert_eq!(wrong, 0, "the lesson says what is not printed");
}

#[test]
fn a_chapter_shows_the_lines_below_its_command_and_no_others() {
    let blocks = blocks("src/lesson.rs");
    assert!(blocks.len() >= 20, "one a chapter: {}", blocks.len());
    for block in blocks {
        let place = format!("line {}: {}", block.line + 1, block.command);
        assert!(!block.shown.is_empty(), "{place}");
        assert!(
            ["--virtual", "trace", "torture"]
                .iter()
                .any(|exact| block.command.contains(exact)),
            "{place}: the same each time?"
        );
    }
}

#[test]
fn the_number_to_read_stands_in_the_lines_above_it() {
    let source = std::fs::read_to_string(root().join("src/lesson.rs")).expect("the lesson");
    let blocks = blocks("src/lesson.rs");
    let mut numbers = 0;
    for (line, text) in source.lines().enumerate() {
        let Some((_, rest)) = text.split_once("**Read one number:** ") else {
            continue;
        };
        let number = rest.split_whitespace().next().unwrap_or_default();
        let number = number.trim_end_matches([',', '.', ':', ';']);
        // A chapter may run two commands.
        let above: Vec<&Block> = blocks.iter().filter(|block| block.line < line).collect();
        let mut shown = above.iter().rev().take(2).flat_map(|block| &block.shown);
        assert!(
            shown.any(|(_, shown)| shown.contains(number)),
            "line {}: {number} is not printed above",
            line + 1
        );
        numbers += 1;
    }
    assert!(numbers >= 15, "one a chapter: {numbers}");
}

//! Is the lesson true? `./run.sh lesson` runs every command in it, and compares what is
//! printed with what stands there. What needs no run is tested with all other tests: links,
//! lines of code, the length of sentences.
//!
//! - **Outputs.** A fence `sh` holds commands, the fence `text` behind it some lines of what
//!   the last one prints, in their order. What is left out is left out; what stands there
//!   must have been printed, to the digit. In virtual time that is no luck. The README shows
//!   both in one fence, a command behind `$`.
//! - **Figures** in the text have a mark that no reader sees. The mark `1.65<!--out-->`
//!   says: the figure stands in what the chapter's commands print. The mark
//!   `56<!--= 2*40 - 24 -->` says how the figure comes about; what stands in braces there
//!   must have been printed.
//! - **Code.** A fence `rust,ignore` holds lines of the file that the link above it leads to.
//! - **Links** lead to files beside the chapter, for a reader of the sources. In front of
//!   each chapter `cargo doc` reads `links.md`, where the same names lead to its own pages.
//!
//! Where something has changed, `REFRESH=1` puts the new line or figure in the place of the
//! old one, if it can tell which it is. The text around must be read again then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The most words of a sentence.
const WORDS: usize = 30;

/// Where the links of `cargo doc` are.
const LINKS: &str = "src/lesson/links.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(text: &str) -> String {
    std::fs::read_to_string(root().join(text)).expect(text)
}

fn write(text: &str, content: &str) {
    std::fs::write(root().join(text), content).expect(text);
}

fn refreshes() -> bool {
    std::env::var_os("REFRESH").is_some()
}

/// The chapters' files, in their order.
fn chapters() -> Vec<String> {
    let files = std::fs::read_dir(root().join("src/lesson")).expect("the lesson");
    let names = files.map(|file| {
        file.expect("a file")
            .file_name()
            .to_string_lossy()
            .into_owned()
    });
    let chapters = names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit()));
    let mut chapters: Vec<String> = chapters.map(|name| format!("src/lesson/{name}")).collect();
    chapters.sort();
    chapters
}

/// The chapters and their front page.
fn lesson() -> Vec<String> {
    let front = "src/lesson/README.md".to_owned();
    chapters().into_iter().chain([front]).collect()
}

/// `08-the-timetable.md`: `the-timetable`.
fn stem(chapter: &str) -> &str {
    let name = chapter.rsplit('/').next().expect("a name");
    name[3..].trim_end_matches(".md")
}

/// A command, and some lines of what it prints.
struct Block {
    /// The number of the command's line, from 0 on.
    line: usize,
    command: String,
    /// Lines of the text: their numbers and what stands there.
    shown: Vec<(usize, String)>,
}

/// Whether a command of the README prints the same each time: the lesson's all do.
fn is_exact(command: &str) -> bool {
    let exact = [
        "--virtual",
        "./run.sh trace",
        "./run.sh frontier",
        "./run.sh torture",
    ];
    exact.iter().any(|exact| command.contains(exact))
}

/// What a text shows of what commands print. The README has other commands, too, in
/// fences `sh`: they are no part of that.
fn blocks(source: &str) -> Vec<Block> {
    let is_lesson = !source.contains("\n$ ");
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence = None;
    let mut is_open = false;
    for (number, line) in source.lines().enumerate() {
        if let Some(kind) = line.strip_prefix("```") {
            is_open &= fence.is_none() && kind == "text" || fence == Some("sh");
            fence = fence.is_none().then_some(kind);
            continue;
        }
        let command = match fence {
            Some("sh") => (is_lesson && line.starts_with("./run.sh")).then_some(line),
            Some(_) => line.strip_prefix("$ "),
            None => None,
        };
        if let Some(command) = command {
            is_open = command.starts_with("./run.sh") && is_exact(command);
            if is_open {
                blocks.push(Block {
                    line: number,
                    command: command.to_owned(),
                    shown: Vec::new(),
                });
            }
        } else if is_open && fence == Some("text") && !line.trim().is_empty() {
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

fn differences(block: &Block, printed: &[String]) -> Differences {
    let mut rest = printed;
    let mut differences = Vec::new();
    for (number, shown) in &block.shown {
        if let Some(place) = rest.iter().position(|line| line == shown) {
            rest = &rest[place + 1..];
            continue;
        }
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let alike = |line: &&String| words(line) == words(shown);
        let same = |line: &String| alike(&line) && first(line) == first(shown);
        let like = rest.iter().position(same);
        let like = like.or_else(|| rest.iter().position(|line| alike(&line)));
        let instead = like.map(|place| rest[place].clone());
        if let Some(place) = like {
            rest = &rest[place + 1..];
        }
        differences.push((*number, shown.clone(), instead));
    }
    differences
}

/// Whether a number stands there, and not only as a part of a longer one.
fn has_number(text: &str, number: &str) -> bool {
    let ends = |c: char| !c.is_ascii_digit();
    text.match_indices(number).any(|(at, _)| {
        let (before, behind) = (&text[..at], &text[at + number.len()..]);
        let more = behind.strip_prefix('.').unwrap_or(behind);
        before
            .chars()
            .next_back()
            .is_none_or(|c| ends(c) && c != '.')
            && more.chars().next().is_none_or(ends)
    })
}

/// A formula's value: numbers, the four operations, parentheses, and printed numbers in
/// braces. `Err`: the number that was not printed.
struct Formula<'a> {
    rest: &'a str,
    printed: &'a str,
}

impl Formula<'_> {
    fn take(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut sum = self.product()?;
        loop {
            match () {
                () if self.take('+') => sum += self.product()?,
                () if self.take('-') => sum -= self.product()?,
                () => return Ok(sum),
            }
        }
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut product = self.number()?;
        loop {
            match () {
                () if self.take('*') => product *= self.number()?,
                () if self.take('/') => product /= self.number()?,
                () => return Ok(product),
            }
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        if self.take('(') {
            let sum = self.sum()?;
            assert!(self.take(')'), "a parenthesis is open: {}", self.rest);
            return Ok(sum);
        }
        let is_printed = self.take('{');
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        if is_printed {
            assert!(self.take('}'), "a brace is open: {}", self.rest);
            if !has_number(self.printed, number) {
                return Err(format!("{number} is not printed"));
            }
        }
        number.parse().map_err(|_| format!("no number: '{number}'"))
    }
}

/// A figure with a mark: where in the text it stands, and its mark.
struct Figure<'a> {
    at: usize,
    number: &'a str,
    mark: &'a str,
}

fn figures(source: &str) -> Vec<Figure<'_>> {
    let mut figures = Vec::new();
    for (open, _) in source.match_indices("<!--") {
        let mark = source[open + 4..]
            .split_once("-->")
            .expect("it is closed")
            .0;
        let is_part = |c: char| c.is_ascii_digit() || c == '.';
        let end = source[..open].rfind(|c: char| c.is_ascii_digit());
        let end = end.expect("a figure stands before its mark") + 1;
        let begin = source[..end].rfind(|c| !is_part(c)).map_or(0, |at| at + 1);
        figures.push(Figure {
            at: begin,
            number: &source[begin..end],
            mark: mark.trim(),
        });
    }
    figures
}

/// What is wrong with a figure, and what it should be, if that can be told.
fn judge(figure: &Figure<'_>, printed: &str) -> Option<(String, Option<String>)> {
    let Some(formula) = figure.mark.strip_prefix('=') else {
        assert_eq!(figure.mark, "out", "a mark is out or a formula");
        let is_there = has_number(printed, figure.number);
        return (!is_there).then(|| ("is not printed".into(), None));
    };
    let rest = formula.trim();
    match (Formula { rest, printed }).sum() {
        Err(why) => Some((why, None)),
        Ok(value) => {
            let decimals = figure
                .number
                .split_once('.')
                .map_or(0, |(_, part)| part.len());
            let value = format!("{value:.decimals$}");
            (value != figure.number).then(|| (format!("is {value}"), Some(value)))
        }
    }
}

#[test]
#[ignore = "runs every command of the lesson: ./run.sh lesson"]
fn the_lesson_prints_what_it_says() {
    let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut compared, mut lines, mut marked, mut wrong) = (0, 0, 0, 0);
    for text in lesson().into_iter().chain(["README.md".into()]) {
        let mut source = read(&text);
        let mut now: Vec<String> = source.lines().map(str::to_owned).collect();
        let mut all = String::new();
        for block in blocks(&source) {
            let run = runs.entry(block.command.clone());
            let printed = run.or_insert_with(|| printed(&block.command));
            all += &(printed.join("\n") + "\n");
            let differences = differences(&block, printed);
            (compared, lines) = (compared + 1, lines + block.shown.len());
            wrong += differences.len();
            let place = format!("{text}:{}", block.line + 1);
            println!("{place}: {}, {} lines", block.command, block.shown.len());
            for (number, shown, instead) in differences {
                let like = instead.as_deref().unwrap_or("nothing like it");
                println!("  line {}: {shown}\n  it prints: {like}", number + 1);
                now[number] = instead.unwrap_or(shown);
            }
        }
        source = now.join("\n") + "\n";
        let mut mended = source.clone();
        for figure in figures(&source).iter().rev() {
            marked += 1;
            let Some((why, instead)) = judge(figure, &all) else {
                continue;
            };
            wrong += 1;
            let line = source[..figure.at].matches('\n').count() + 1;
            println!("  {text}:{line}: {} {why} ({})", figure.number, figure.mark);
            if let Some(instead) = instead {
                let place = figure.at..figure.at + figure.number.len();
                mended.replace_range(place, &instead);
            }
        }
        if refreshes() && mended != read(&text) {
            write(&text, &mended);
        }
    }
    println!(
        "{compared} blocks compared, {lines} lines, {marked} figures in the text, {wrong} differences"
    );
    assert!(compared > 0 && marked > 0, "there is a lesson");
    assert_eq!(wrong, 0, "the lesson says what is not printed");
}

#[test]
fn each_chapter_asks_predicts_reads_one_number_and_hides_what_is_printed() {
    let chapters = chapters();
    assert!(chapters.len() >= 20, "{chapters:?}");
    for (index, text) in chapters.iter().enumerate() {
        let source = read(text);
        let number = format!("# {} ", index + 1);
        assert!(source.starts_with(&number), "{text}: {number}");
        for part in [
            "**Predict",
            "**Read one ",
            "**The code:**",
            "<b>Exercise.</b>",
            "```rust,ignore",
        ] {
            assert!(source.contains(part), "{text}: {part}");
        }
        let mut folds = 0;
        let mut fence = false;
        for line in source.lines() {
            if line.starts_with("```") {
                fence = !fence;
                assert!(
                    folds == 1 || line != "```text",
                    "{text}: an output is not folded"
                );
            }
            folds += usize::from(!fence && line.starts_with("<details>"));
            folds -= usize::from(!fence && line.starts_with("</details>"));
        }
        assert_eq!(folds, 0, "{text}: a fold is open");
        let shown: usize = blocks(&source).iter().map(|block| block.shown.len()).sum();
        assert!(shown > 0, "{text} shows what is printed");
        for block in blocks(&source) {
            let exact = is_exact(&block.command);
            assert!(exact, "{text}: {}: the same each time?", block.command);
        }
    }
}

/// A text outside its fences, each line with its number from 1 on.
fn prose(source: &str) -> Vec<(usize, &str)> {
    let mut fence = false;
    let lines = source.lines().enumerate().filter(|(_, line)| {
        let is_mark = line.starts_with("```");
        fence ^= is_mark;
        !fence && !is_mark
    });
    lines.map(|(number, line)| (number + 1, line)).collect()
}

/// `[name]: where`
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, target) = line.strip_prefix('[')?.split_once("]: ")?;
    (!name.contains(']')).then_some((name, target))
}

/// What a text links to: names of definitions, `[text][name]` or [`name`].
fn references(line: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (at, _) in line.match_indices("][") {
        names.extend(line[at + 2..].split_once(']').map(|(name, _)| name));
    }
    for (at, _) in line.match_indices("[`") {
        let name = line[at + 1..].split_once(']').map(|(name, _)| name);
        names.extend(name.filter(|name| name.ends_with('`')));
    }
    names
}

/// Where a link of `cargo doc` leads that leads to this file in the sources.
fn page(name: &str, target: &str) -> String {
    if name == "lesson" {
        return "crate::lesson".into();
    }
    let Some(file) = target.strip_prefix("../") else {
        return format!("crate::lesson::{}", name.replace('-', "_"));
    };
    let mut parts = file.split(['/', '.']);
    match (parts.next(), parts.next()) {
        (Some("bin"), Some(program)) => format!("../../../{program}/index.html"),
        (Some(module), _) => format!("crate::{module}"),
        (None, _) => unreachable!("split gives something"),
    }
}

/// The line of a file, from 1 on, at which something with this name is defined.
fn defined_at(file: &str, name: &str) -> Option<usize> {
    let last = name.trim_matches('`').rsplit("::").next().expect("a name");
    let kinds = ["fn ", "struct ", "enum ", "trait ", "const "];
    let is_there = |line: &str| {
        kinds.iter().any(|kind| {
            let behind = line.split_once(&format!("{kind}{last}"));
            let behind = behind.map(|(_, behind)| behind.starts_with(|c| "(<:; {".contains(c)));
            behind == Some(true)
        })
    };
    read(file).lines().position(is_there).map(|line| line + 1)
}

/// Where lines of code stand in a file, the first one's number from 1 on.
fn found_at(file: &str, code: &[&str]) -> Option<usize> {
    let source = read(file);
    let source: Vec<&str> = source.lines().map(str::trim).collect();
    let code: Vec<&str> = code.iter().map(|line| line.trim()).collect();
    let places = source.windows(code.len()).position(|lines| lines == code);
    places.map(|line| line + 1)
}

/// The lines of code that a text shows, each with the line above it.
fn excerpts(source: &str) -> Vec<(&str, Vec<&str>)> {
    let mut excerpts: Vec<(&str, Vec<&str>)> = Vec::new();
    let (mut above, mut is_open) = ("", false);
    for line in source.lines() {
        match line {
            "```rust,ignore" => {
                is_open = true;
                excerpts.push((above, Vec::new()));
            }
            "```" => is_open = false,
            line if is_open => excerpts.last_mut().expect("it is open").1.push(line),
            "" => {}
            line => above = line,
        }
    }
    excerpts
}

#[test]
fn every_link_leads_somewhere_here_and_in_cargo_doc() {
    let modules = read("src/lesson.rs");
    let (mut links, mut pages) = (0, BTreeMap::new());
    for text in lesson() {
        let mut source = read(&text);
        let lines = prose(&source);
        let defined = lines.iter().filter_map(|(_, line)| definition(line));
        let defined: BTreeMap<String, String> = defined
            .map(|(name, target)| (name.to_owned(), target.to_owned()))
            .collect();
        let mut used = BTreeSet::new();
        for (number, line) in lines.iter().filter(|(_, line)| definition(line).is_none()) {
            let place = format!("{text}:{number}");
            for name in references(line) {
                assert!(defined.contains_key(name), "{place}: {name} is not defined");
                used.insert(name.to_owned());
                links += 1;
            }
            for (at, _) in line.match_indices("](") {
                let inline = &line[at + 2..];
                assert!(inline.starts_with("https://"), "{place}: a name: {inline}");
            }
        }
        let mut lines_of: BTreeMap<String, usize> = BTreeMap::new();
        for (above, code) in excerpts(&source) {
            assert!(
                (3..=12).contains(&code.len()),
                "{text}: {} lines of code",
                code.len()
            );
            let name = references(above)
                .into_iter()
                .find(|name| name.starts_with('`'));
            let target = name.and_then(|name| defined.get(name));
            let file = match target {
                Some(target) => target
                    .split('#')
                    .next()
                    .expect("a file")
                    .replacen("..", "src", 1),
                None => above.trim_matches(['`', ':']).to_owned(),
            };
            let line = found_at(&file, &code);
            let line = line.unwrap_or_else(|| panic!("{text}: not in {file}: {code:#?}"));
            name.map(|name| lines_of.insert(name.to_owned(), line));
        }
        for (name, target) in &defined {
            assert!(used.contains(name), "{text}: {name} is not used");
            let (file, line) = target.split_once("#L").unwrap_or((target, ""));
            let path = Path::new("src/lesson").join(file);
            assert!(root().join(&path).is_file(), "{text}: {target}");
            if file.starts_with("../") && !line.is_empty() {
                let path = file.replacen("..", "src", 1);
                let is = lines_of
                    .get(name)
                    .copied()
                    .or_else(|| defined_at(&path, name));
                let is = is.unwrap_or_else(|| panic!("{text}: no {name} in {path}"));
                if refreshes() {
                    let right = format!("[{name}]: {file}#L{is}\n");
                    source = source.replace(&format!("[{name}]: {target}\n"), &right);
                } else {
                    assert_eq!(line, is.to_string(), "{text}: {name}. REFRESH=1 mends it");
                }
            }
            let page = page(name, target);
            if let Some(module) = page.strip_prefix("crate::lesson::") {
                assert!(modules.contains(&format!("pub mod {module} ")), "{module}");
            }
            let before = pages.insert(name.clone(), page.clone());
            assert!(before.is_none_or(|before| before == page), "{text}: {name}");
        }
        if refreshes() && source != read(&text) {
            write(&text, &source);
        }
    }
    assert!(links > 80, "{links}");
    for chapter in chapters() {
        let included = format!("include_str!(\"{}\")", chapter.trim_start_matches("src/"));
        assert!(modules.contains(&included), "{included}");
        assert!(
            pages.contains_key(stem(&chapter)),
            "nothing leads to {chapter}"
        );
    }
    let all = pages
        .iter()
        .map(|(name, page)| format!("[{name}]: {page}\n"));
    let all: String = all.collect();
    if refreshes() {
        write(LINKS, &all);
    }
    assert!(
        read(LINKS) == all,
        "{LINKS} is not up to date. REFRESH=1 mends it"
    );
}

#[test]
#[ignore = "builds the documentation: ./run.sh lesson"]
fn every_link_of_the_pages_that_cargo_doc_makes_leads_somewhere() {
    let doc = Command::new(env!("CARGO"))
        .args([
            "doc",
            "--no-deps",
            "--offline",
            "--quiet",
            "--target-dir",
            "target",
        ])
        .env("RUSTDOCFLAGS", "-D warnings")
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(
        doc.status.success(),
        "{}",
        String::from_utf8_lossy(&doc.stderr)
    );
    let front = "target/doc/hubcast/lesson".to_owned();
    let names = chapters()
        .into_iter()
        .map(|chapter| stem(&chapter).replace('-', "_"));
    let folders = names.map(|name| format!("{front}/{name}"));
    let mut followed = 0;
    for folder in folders.chain([front.clone()]) {
        let page = read(&format!("{folder}/index.html"));
        let (_, page) = page.split_once("<main").expect("the page's text");
        for link in page.split("href=\"").skip(1) {
            let link = link.split(['"', '#', '?']).next().expect("a link");
            if !link.is_empty() && !link.contains("://") {
                let target = root().join(&folder).join(link);
                assert!(target.exists(), "{folder}: {link}");
                followed += 1;
            }
        }
    }
    println!("{followed} links of the pages followed");
}

/// The sentences of a text, without what no reader sees.
fn sentences(source: &str) -> Vec<(usize, String)> {
    let mut sentences = Vec::new();
    let mut open = (0, String::new());
    let lines = prose(source);
    let lines = lines.iter().chain([&(usize::MAX, "")]);
    for &(number, line) in lines {
        let line = match definition(line) {
            Some(_) => "",
            None => line,
        };
        let is_apart = line.is_empty() || line.starts_with(['|', '#', '-', '<']);
        if is_apart {
            let (number, text) = std::mem::take(&mut open);
            sentences.extend(split(&text).map(|sentence| (number, sentence)));
        }
        if !line.starts_with(['|', '#']) {
            open.0 = if open.1.is_empty() { number } else { open.0 };
            open.1 += &(plain(line) + " ");
        }
    }
    sentences
}

/// Text without comments and marks.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once('<') {
        text += before;
        rest = behind.split_once('>').map_or("", |(_, rest)| rest);
    }
    text += rest;
    text.replace(['*', '`'], "")
}

/// A paragraph's sentences.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut sentences = vec![String::new()];
    for word in text.split_whitespace() {
        let sentence = sentences.last_mut().expect("there is one");
        *sentence += word;
        sentence.push(' ');
        let bare = word.trim_end_matches(['"', ')', '\'']);
        if bare.ends_with(['.', '?', '!']) {
            sentences.push(String::new());
        }
    }
    sentences.into_iter()
}

fn length(sentence: &str) -> usize {
    let is_word = |word: &&str| word.contains(|c: char| c.is_alphanumeric());
    sentence.split_whitespace().filter(is_word).count()
}

/// What a text says to its reader: a source says it in its `//!` lines.
fn said(text: &str) -> String {
    let source = read(text);
    if !text.ends_with(".rs") {
        return source;
    }
    let lines = source.lines().map(|line| line.strip_prefix("//!"));
    let lines = lines.map(|line| line.unwrap_or_default().trim_start().to_owned() + "\n");
    lines.collect()
}

/// The sources below a folder.
fn sources(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).expect("a folder");
    let entries = entries.map(|entry| entry.expect("an entry").file_name());
    let paths = entries.map(|name| format!("{folder}/{}", name.to_string_lossy()));
    let paths = paths.flat_map(|path| match root().join(&path).is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    paths.filter(|path| path.ends_with(".rs")).collect()
}

/// The longest sentence of a text, its place and its words.
fn longest(text: &str) -> (usize, String) {
    let all = sentences(&said(text)).into_iter();
    let all = all.map(|(line, sentence)| {
        let words = length(&sentence);
        (words, format!("{text}:{line}: {words} words: {sentence}"))
    });
    all.max_by_key(|(words, _)| *words).unwrap_or_default()
}

#[test]
fn no_sentence_of_the_lesson_the_readme_and_the_modules_is_too_long_to_be_read_once() {
    let sources = sources("src");
    assert!(
        sources.iter().any(|text| longest(text).0 > 0),
        "no sentence"
    );
    let texts = lesson().into_iter().chain(["README.md".to_owned()]);
    let all = texts.chain(sources).map(|text| longest(&text));
    let mut all: Vec<(usize, String)> = all.collect();
    all.sort();
    let (words, place) = all.last().expect("a sentence");
    println!("{place}");
    let long = all.iter().filter(|(words, _)| *words > WORDS);
    let long: Vec<&String> = long.map(|(_, place)| place).collect();
    assert!(*words <= WORDS, "{long:#?}");
}

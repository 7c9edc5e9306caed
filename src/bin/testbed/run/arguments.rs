//! Options as rows of a table: name, argument, what it may be, what it does, and
//! the line of the usage page, all in one place.

use std::time::Duration;

use hubcast::config::{UsageError, whole};

/// An option that sets something in a `T`.
pub struct Row<T> {
    /// With its two dashes; another name that it has stands behind a comma.
    pub name: &'static str,
    /// What stands behind it, and what is done with that.
    pub takes: Takes<T>,
    /// For the usage page; `{}` is where the default stands.
    pub help: &'static str,
    /// What is set, as it stands behind the option.
    pub value: fn(&T) -> String,
}

/// What stands behind an option: its name on the usage page, its limits (both
/// included), and where it goes.
pub enum Takes<T> {
    /// Nothing.
    Nothing(fn(&mut T)),
    /// A whole number.
    Whole(&'static str, [u64; 2], fn(&mut T, u64)),
    /// Any number.
    Number(&'static str, [f64; 2], fn(&mut T, f64)),
    /// Seconds, up to a day, and the least of them.
    Seconds(&'static str, f64, fn(&mut T, Duration)),
    /// One of these words, given by its place.
    Word(&'static str, fn() -> Vec<String>, fn(&mut T, usize)),
    /// Some of these words, with commas, given by their places, ascending, each once.
    Words(&'static str, fn() -> Vec<String>, fn(&mut T, &[usize])),
    /// A text, which it may refuse with what would be right.
    Checked(&'static str, fn(&mut T, &str) -> Result<(), UsageError>),
    /// Any text.
    Text(&'static str, fn(&mut T, &str)),
}

/// The longest time in seconds that an option takes: a day.
const DAY: f64 = 86_400.0;

/// The column where the explanations begin.
const HELP_COLUMN: usize = 27;

/// Sets in `target` what the arguments say, and gives those behind `--`.
///
/// # Errors
///
/// [`UsageError`] for an unknown option and for a missing or bad value.
pub fn parse<'a, T>(
    rows: &[Row<T>],
    args: &'a [String],
    target: &mut T,
) -> Result<&'a [String], UsageError> {
    let mut rest = args;
    while let Some((name, behind)) = rest.split_first() {
        rest = behind;
        if name == "--" {
            break;
        }
        let Some(row) = rows
            .iter()
            .find(|row| row.name.split(", ").any(|own| own == name))
        else {
            return Err(UsageError(format!("unknown option '{name}'; see --help")));
        };
        if let Takes::Nothing(set) = row.takes {
            set(target);
            continue;
        }
        let Some((value, behind)) = rest.split_first() else {
            return Err(UsageError(format!("{name} needs a value; see --help")));
        };
        rest = behind;
        row.set(value, target)?;
    }
    Ok(rest)
}

impl<T> Row<T> {
    /// The name that the testbed itself uses.
    fn short_name(&self) -> &'static str {
        self.name.split(", ").next().unwrap_or(self.name)
    }

    fn set(&self, value: &str, target: &mut T) -> Result<(), UsageError> {
        let name = self.short_name();
        match &self.takes {
            Takes::Nothing(set) => set(target),
            Takes::Whole(_, [least, most], set) => {
                set(target, whole(name, value, *least, *most)?);
            }
            Takes::Number(_, [least, most], set) => {
                set(target, number(name, value, *least, *most)?);
            }
            Takes::Seconds(_, least, set) => {
                let seconds = number(name, value, *least, DAY)?;
                set(target, Duration::from_secs_f64(seconds));
            }
            Takes::Word(_, words, set) => {
                set(target, place(name, &words(), value)?);
            }
            Takes::Words(_, words, set) => {
                let words = words();
                let places = value.split(',').map(|word| place(name, &words, word));
                let mut places = places.collect::<Result<Vec<usize>, UsageError>>()?;
                places.sort_unstable();
                places.dedup();
                set(target, &places);
            }
            Takes::Checked(_, set) => set(target, value)?,
            Takes::Text(_, set) => set(target, value),
        }
        Ok(())
    }

    /// Its lines on the usage page.
    fn usage(&self, defaults: &T) -> String {
        let argument = match self.takes {
            Takes::Nothing(_) => "",
            Takes::Whole(argument, ..)
            | Takes::Number(argument, ..)
            | Takes::Seconds(argument, ..)
            | Takes::Word(argument, ..)
            | Takes::Words(argument, ..)
            | Takes::Checked(argument, _)
            | Takes::Text(argument, _) => argument,
        };
        let words = match self.takes {
            Takes::Word(_, words, _) if words().len() > 1 => either(&words()) + " ",
            Takes::Words(_, words, _) => either(&words()) + ", several with commas: ",
            _ => String::new(),
        };
        let help = words + &self.help.replace("{}", &(self.value)(defaults));
        let head = format!("  {} {argument}", self.name);
        let lines = wrap(&help, 80 - HELP_COLUMN);
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            let head = if index == 0 { head.as_str() } else { "" };
            text += &format!("{head:<HELP_COLUMN$}{line}\n");
        }
        text
    }
}

/// Where `value` stands among `words`.
fn place(option: &str, words: &[String], value: &str) -> Result<usize, UsageError> {
    let place = words.iter().position(|word| word == value);
    place.ok_or_else(|| UsageError(format!("{option} takes {}, not '{value}'", either(words))))
}

/// The usage page's lines about all of these.
pub fn usage<T>(rows: &[Row<T>], defaults: &T) -> String {
    rows.iter().map(|row| row.usage(defaults)).collect()
}

/// The arguments that make `given` of `plain`, each with a space before it.
pub fn spell<T>(rows: &[Row<T>], given: &T, plain: &T) -> String {
    let mut text = String::new();
    for row in rows {
        let value = (row.value)(given);
        if value != (row.value)(plain) {
            text = text + " " + row.short_name();
            if !matches!(row.takes, Takes::Nothing(_)) {
                text = text + " " + &value;
            }
        }
    }
    text
}

/// "one, another or a third".
fn either(words: &[String]) -> String {
    match words {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        _ => words.concat(),
    }
}

/// Lines of at most so many characters, broken at spaces.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one from the beginning");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.into());
        } else {
            let space = if line.is_empty() { "" } else { " " };
            *line += &format!("{space}{word}");
        }
    }
    lines
}

/// A number within these limits, which it names else.
///
/// # Errors
///
/// [`UsageError`] for anything else.
pub fn number(option: &str, value: &str, least: f64, most: f64) -> Result<f64, UsageError> {
    match value.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(UsageError(format!(
            "{option} takes a number from {least} to {most}, not '{value}'"
        ))),
    }
}

//! A story, told event by event: as text, and as a page.

use std::io;
use std::path::Path;

use super::{RUNS, has_screen, lock};
use crate::nodes::{Failure, place};
use crate::run::recording::Recording;
use crate::run::story::Story;
use crate::run::trace;
use crate::show::page;

/// The story in a file, or the one that is built in.
pub fn script(file: Option<&Path>) -> Result<Story, String> {
    let Some(path) = file else {
        return trace::TOUR
            .parse()
            .map_err(|bad| format!("the tour's {bad}"));
    };
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("cannot read the story {}: {error}", place(path)))?;
    let story = text.parse::<Story>();
    story.map_err(|bad| format!("{}, {bad}; see trace --help", path.display()))
}

/// A story as text, and as a page.
pub fn tell(story: &Story, file: Option<&Path>) -> Result<String, Failure> {
    let folder = Path::new(RUNS).join("trace");
    let _lock = lock("trace")?;
    // https://no-color.org: set and not empty means no colour.
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = has_screen(&io::stdout()) && !plain;
    let told = trace::tell(story, colour, Some(Recording::create(&folder)?))?;
    let name = file.map_or(String::new(), |path| format!(" {}", path.display()));
    page::write_story(story, &told, &format!("./run.sh trace{name}"), &folder)?;
    let page = folder.join("report.html");
    let text = format!(
        "{}to watch it step by step, open {}\n",
        told.text,
        page.display()
    );
    Ok(text)
}

//! JSON that a client gave and gets back, whatever it is.

use std::sync::Arc;

use crate::json::{self, Json};
use crate::message::Refusal;

/// How deep such a text may be nested.
///
/// Unit: levels. What a client sends inside its request travels inside an item, a
/// delta and a record of the journal: below the reader's limit
/// ([`json`]) with room for all of these.
const MAX_DEPTH: usize = 100;

/// How long one may be.
///
/// Unit: bytes. A line may have 16 MiB, and a delta carries more than one item.
const MAX_LENGTH: usize = 1 << 20;

/// Some JSON, as its shortest text. Two are equal if they were written alike: `1` is
/// not `1.0`, and the order of members counts. Cheap to clone, since each link keeps
/// one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verbatim(Arc<str>);

impl Verbatim {
    /// What a client gave as `name`.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is too long or nested too deep to be passed on.
    pub fn take(name: &str, json: &Json<'_>) -> Result<Verbatim, Refusal> {
        let text = Verbatim::of(json);
        if text.0.len() > MAX_LENGTH {
            let length = text.0.len();
            return Err(
                format!("{name} may be {MAX_LENGTH} bytes long as JSON, not {length}").into(),
            );
        }
        if depth(json) > MAX_DEPTH {
            return Err(format!("{name} may be nested {MAX_DEPTH} levels deep, not more").into());
        }
        Ok(text)
    }

    /// What another node took.
    pub fn of(json: &Json<'_>) -> Verbatim {
        Verbatim(json.to_string().into())
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// How long its text is. Unit: bytes.
    pub fn weight(&self) -> usize {
        self.0.len()
    }
}

/// How many arrays and objects are around what lies deepest.
fn depth(json: &Json<'_>) -> usize {
    let inside = match json {
        Json::Array(elements) => elements.iter().map(depth).max(),
        Json::Object(members) => members.iter().map(|(_, value)| depth(value)).max(),
        _ => return 0,
    };
    1 + inside.unwrap_or(0)
}

/// Appends an array of what is JSON already.
pub fn list<const N: usize>(texts: [&str; N], out: &mut Vec<u8>) {
    json::list(out, texts, |text, out| {
        out.extend_from_slice(text.as_bytes())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(text: &str) -> Result<Verbatim, Refusal> {
        let json = Json::parse(text.as_bytes()).expect(text);
        Verbatim::take("msg", &json)
    }

    #[test]
    fn any_json_comes_back_as_it_was_without_the_spaces() {
        for text in [
            "null",
            "-0",
            "1e400",
            "\"\\u0000 [ { \\\" \"",
            "[1, {\"a\": []}]",
        ] {
            let taken = take(text).expect(text);
            let back = Json::parse(taken.text().as_bytes()).expect("JSON");
            assert_eq!(back, Json::parse(text.as_bytes()).expect(text));
        }
    }

    #[test]
    fn what_could_not_be_passed_on_is_refused_with_its_measure() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(take(&deep(MAX_DEPTH)).is_ok());
        assert!(take(&format!("\"{}\"", "[".repeat(500))).is_ok());
        let refusal = take(&deep(MAX_DEPTH + 1)).expect_err("too deep");
        assert!(refusal.text.contains("100 levels"), "{refusal:?}");
        let long = format!("\"{}\"", "x".repeat(MAX_LENGTH));
        let refusal = take(&long).expect_err("too long");
        assert!(refusal.text.contains("1048576 bytes"), "{refusal:?}");
    }
}

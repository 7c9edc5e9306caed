//! JSON by hand: a value, a parser and an encoder (RFC 8259).
//!
//! One line in, one [`Json`] out. A value borrows from the line it was read
//! from: a name or a string without escapes is a slice of the input. So a small
//! message costs two allocations (its two objects) and no copies.
//!
//! RFC 8259 leaves some questions to the implementation. Each is decided once,
//! here:
//!
//! | question | answer |
//! |---|---|
//! | numbers | Digits without fraction and exponent that fit an `i64` are [`Json::Int`]. All others keep their text ([`Json::Number`]): nothing is rounded, and an `echo` gives back what came. |
//! | `1.0`, `1e2` | Numbers, but no integers: a value, an offset or an id written so is refused by whoever wants an integer. |
//! | `-0` | The integer 0, as the RFC's section 6 has no negative zero among integers. |
//! | 9223372036854775808 and beyond | A number, but no integer (see above). |
//! | duplicate names | Both are kept, and the last one counts, as in most parsers. |
//! | `\u0000` | A character like any other. |
//! | lone surrogates (`"\ud800"`) | Refused: no Unicode text has them, and a replacement would lose what was sent. |
//! | encoding | UTF-8 without a byte order mark; anything else is refused. |
//! | text after the value | Refused, white space excepted. |
//! | depth | At most [`MAX_DEPTH`] arrays and objects inside one another. |
//! | size | At most [`MAX_VALUES`] values in one text. |
//!
//! The parser is a recursive descent, one function per rule of the grammar. It
//! looks at each byte a constant number of times, so time is linear in the
//! line. Its limits bound what a hostile line can cost: the depth bounds the
//! stack, the number of values the memory.

mod write;

pub use write::{Object, encode_int, encode_ranges, encode_str, list, object};

use std::borrow::Cow;
use std::fmt;

/// How many arrays and objects may be nested.
///
/// Unit: levels. Maelstrom's messages have 4 at most (`topology`); the limit
/// protects the stack, at less than 1 KiB a level.
pub const MAX_DEPTH: usize = 128;

/// How many values (numbers, strings, arrays, ...) one text may have.
///
/// Unit: values. A value takes 32 bytes where it lies, and a small array or
/// object about as much again. The worst lines tried took a node to 104 MiB at
/// its peak, and to 200 MiB as an `echo`, which is copied once. A `read_ok` with
/// this many integers is about as long as a line may be.
pub const MAX_VALUES: usize = 2 << 20;

/// How many of a text's first values get [`ROOM`] if they are objects or arrays.
///
/// Unit: values. A message has two objects and an array or two, far below this; beyond it
/// the room would add up (see [`MAX_VALUES`]).
const FIRST_VALUES: usize = 64;

/// For how many members or elements there is room at once.
///
/// Unit: members. A delta has eleven at most; to grow to that by and by would take as much
/// time as to read two of them.
const ROOM: usize = 12;

/// A JSON value. Text is borrowed from the input where it has no escapes.
#[derive(Clone, Debug, PartialEq)]
pub enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number without fraction and exponent that fits.
    Int(i64),
    /// Any other number, as it was written.
    Number(Cow<'a, str>),
    /// A string, without its quotes and escapes.
    String(Cow<'a, str>),
    /// `[...]`
    Array(Vec<Json<'a>>),
    /// `{...}`: names and values in the order of the text, duplicates kept.
    Object(Vec<(Cow<'a, str>, Json<'a>)>),
}

/// Why a text is not JSON. Nothing was changed; there is no partial value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Offset in bytes of the first byte that cannot be right.
    pub at: usize,
    /// What would be right there.
    pub expected: &'static str,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not JSON at byte {}: expected {}",
            self.at, self.expected
        )
    }
}

impl std::error::Error for JsonError {}

impl<'a> Json<'a> {
    /// Reads one JSON value that fills `text`, white space around it excepted.
    ///
    /// # Errors
    ///
    /// [`JsonError`] with the first offending byte, if `text` is not UTF-8, not
    /// JSON, nested deeper than [`MAX_DEPTH`], or goes on after the value.
    pub fn parse(text: &'a [u8]) -> Result<Json<'a>, JsonError> {
        let text = std::str::from_utf8(text).map_err(|error| JsonError {
            at: error.valid_up_to(),
            expected: "UTF-8",
        })?;
        let mut parser = Parser {
            text,
            at: 0,
            values: 0,
        };
        parser.white_space();
        let value = parser.value(0)?;
        parser.white_space();
        if parser.at < text.len() {
            return Err(parser.error("the end of the line"));
        }
        Ok(value)
    }

    /// The member called `name`, if this is an object that has one. Of
    /// duplicates the last counts.
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(members) => {
                let member = members.iter().rev().find(|(own, _)| own == name);
                member.map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The integer, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Json::Int(int) => Some(*int),
            _ => None,
        }
    }

    /// The number, if this is an integer of at least 0.
    pub fn as_count(&self) -> Option<u64> {
        u64::try_from(self.as_int()?).ok()
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        match self {
            Json::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members, in the order of the text, if this is an object.
    pub fn as_object(&self) -> Option<&[(Cow<'a, str>, Json<'a>)]> {
        match self {
            Json::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A copy that does not depend on the text it was read from.
    pub fn to_static(&self) -> Json<'static> {
        let own = |text: &Cow<'a, str>| Cow::Owned(text.clone().into_owned());
        match self {
            Json::Null => Json::Null,
            Json::Bool(bool) => Json::Bool(*bool),
            Json::Int(int) => Json::Int(*int),
            Json::Number(text) => Json::Number(own(text)),
            Json::String(text) => Json::String(own(text)),
            Json::Array(elements) => Json::Array(elements.iter().map(Json::to_static).collect()),
            Json::Object(members) => {
                let members = members.iter();
                Json::Object(
                    members
                        .map(|(name, value)| (own(name), value.to_static()))
                        .collect(),
                )
            }
        }
    }

    /// Appends the value as JSON text without any white space.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Json::Null => out.extend_from_slice(b"null"),
            Json::Bool(true) => out.extend_from_slice(b"true"),
            Json::Bool(false) => out.extend_from_slice(b"false"),
            Json::Int(int) => encode_int(*int, out),
            Json::Number(text) => out.extend_from_slice(text.as_bytes()),
            Json::String(text) => encode_str(text, out),
            Json::Array(elements) => list(out, elements, Json::encode),
            Json::Object(members) => object(out, |object| {
                for (name, value) in members {
                    value.encode(object.any_field(name));
                }
            }),
        }
    }
}

/// The value as compact JSON text.
impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.encode(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// A place in the text. Every rule starts at its first byte and ends behind its
/// last one.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many values have begun.
    values: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Steps over `byte`, if it is the next one.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.at += 1;
        }
        is_next
    }

    fn error(&self, expected: &'static str) -> JsonError {
        JsonError {
            at: self.at,
            expected,
        }
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// `depth`: how many arrays and objects are open around the value.
    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.error("at most 2097152 values"));
        }
        match self.peek() {
            Some(b'{') => Ok(Json::Object(self.list(
                depth,
                b'}',
                "',' or '}'",
                Parser::member,
            )?)),
            Some(b'[') => Ok(Json::Array(self.list(
                depth,
                b']',
                "',' or ']'",
                Parser::value,
            )?)),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Json::Bool(true)),
            Some(b'f') => self.literal("false", Json::Bool(false)),
            Some(b'n') => self.literal("null", Json::Null),
            _ => Err(self.error("a value")),
        }
    }

    fn literal(&mut self, word: &'static str, value: Json<'a>) -> Result<Json<'a>, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("true, false or null"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// An array or object, each element or member read by `each`; `expected` is what may
    /// stand behind one.
    fn list<T>(
        &mut self,
        depth: usize,
        close: u8,
        expected: &'static str,
        each: impl Fn(&mut Parser<'a>, usize) -> Result<T, JsonError>,
    ) -> Result<Vec<T>, JsonError> {
        if depth == MAX_DEPTH {
            return Err(self.error("at most 128 nested arrays and objects"));
        }
        self.at += 1;
        self.white_space();
        if self.takes(close) {
            return Ok(Vec::new());
        }
        // A million objects or arrays in one line are somebody's mistake, and must not
        // cost room for more than one each; from there on they double.
        let room = if self.values <= FIRST_VALUES { ROOM } else { 1 };
        let mut list = Vec::with_capacity(room);
        loop {
            list.push(each(self, depth + 1)?);
            self.white_space();
            if self.takes(close) {
                return Ok(list);
            }
            if !self.takes(b',') {
                return Err(self.error(expected));
            }
            self.white_space();
        }
    }

    fn member(&mut self, depth: usize) -> Result<(Cow<'a, str>, Json<'a>), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a name in quotes"));
        }
        let name = self.string()?;
        self.white_space();
        if !self.takes(b':') {
            return Err(self.error("':'"));
        }
        self.white_space();
        Ok((name, self.value(depth)?))
    }

    /// One digit or more; gives their number, modulo 2^64.
    fn digits(&mut self) -> Result<u64, JsonError> {
        let start = self.at;
        let mut number: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit - b'0'));
            self.at += 1;
        }
        if self.at == start {
            return Err(self.error("a digit"));
        }
        Ok(number)
    }

    fn number(&mut self) -> Result<Json<'a>, JsonError> {
        let start = self.at;
        let negative = self.takes(b'-');
        let first = self.at;
        let magnitude = self.digits()?;
        let digits = self.at - first;
        if digits > 1 && self.text.as_bytes()[first] == b'0' {
            self.at = first + 1;
            return Err(self.error("no digit after a leading zero"));
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _ = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        // Whatever has 18 digits fits, and its digits are its number.
        if self.at == first + digits && digits <= 18 {
            let int = magnitude as i64;
            return Ok(Json::Int(if negative { -int } else { int }));
        }
        // With a fraction or an exponent it is no integer for std, either.
        let text = &self.text[start..self.at];
        let int = text.parse().map(Json::Int);
        Ok(int.unwrap_or(Json::Number(Cow::Borrowed(text))))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let plain = self.plain_run()?;
        if self.takes(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        while !self.takes(b'"') {
            text.push(self.escape()?);
            text.push_str(self.plain_run()?);
        }
        Ok(Cow::Owned(text))
    }

    /// Goes to the next quote or backslash. Both are ASCII, so the text can be cut there.
    fn plain_run(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        let mut rest = self.text.as_bytes()[start..].iter();
        let stop = rest.position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20);
        self.at = stop.map_or(self.text.len(), |stop| start + stop);
        match self.peek() {
            Some(b'"' | b'\\') => Ok(&self.text[start..self.at]),
            Some(_) => Err(self.error("an escape instead of a control character")),
            None => Err(self.error("'\"'")),
        }
    }

    /// A backslash and what stands behind it.
    fn escape(&mut self) -> Result<char, JsonError> {
        let at = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(b'u') => {
                let character = self.unicode_escape();
                return character.map_err(|expected| JsonError { at, expected });
            }
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.error("one of \" \\ / b f n r t u after a backslash")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `uXXXX`, or a surrogate pair `uXXXX\uXXXX` (RFC 8259, section 7).
    fn unicode_escape(&mut self) -> Result<char, &'static str> {
        let mut units = vec![self.hex4()?];
        if (0xd800..0xdc00).contains(&units[0]) && self.text[self.at..].starts_with("\\u") {
            self.at += 1;
            units.push(self.hex4()?);
        }
        let character = char::decode_utf16(units).next();
        let character = character.and_then(Result::ok);
        character.ok_or("a surrogate pair, not half of one")
    }

    /// `uXXXX`: the number that the four digits stand for.
    fn hex4(&mut self) -> Result<u16, &'static str> {
        let digits = self.text.get(self.at + 1..self.at + 5).unwrap_or("?");
        let number = match digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            true => u16::from_str_radix(digits, 16).ok(),
            false => None,
        };
        self.at += 5;
        number.ok_or("four hexadecimal digits after \\u")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Json<'_>, JsonError> {
        Json::parse(text.as_bytes())
    }

    fn value(text: &str) -> Json<'_> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Where `text` is refused, and what would be right.
    fn refusal(text: &str) -> (usize, &'static str) {
        let error = parse(text).expect_err(text);
        (error.at, error.expected)
    }

    #[test]
    fn every_kind_of_value_is_read() {
        assert_eq!(value("null"), Json::Null);
        assert_eq!(value(" true\t"), Json::Bool(true));
        assert_eq!(value("false"), Json::Bool(false));
        assert_eq!(value("-12"), Json::Int(-12));
        assert_eq!(value("\"a\""), Json::String("a".into()));
        assert_eq!(value("[]"), Json::Array(vec![]));
        assert_eq!(
            value("[ 1 ,[ ] ]"),
            Json::Array(vec![Json::Int(1), Json::Array(vec![])])
        );
        assert_eq!(value("{ }"), Json::Object(vec![]));
        assert_eq!(
            value(r#"{"a" : {"b":1} }"#).get("a").unwrap().get("b"),
            Some(&Json::Int(1))
        );
    }

    #[test]
    fn integers_are_exact_to_the_ends_of_i64_and_what_lies_beyond_keeps_its_text() {
        assert_eq!(value("9223372036854775807"), Json::Int(i64::MAX));
        assert_eq!(value("-9223372036854775808"), Json::Int(i64::MIN));
        assert_eq!(value("-0"), Json::Int(0));
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "1.0",
            "1e2",
            "-0.0",
            "1E+2",
            "0e-400",
        ] {
            assert_eq!(value(text), Json::Number(text.into()));
            assert_eq!(value(text).as_int(), None, "{text} is no integer");
            assert_eq!(value(text).to_string(), text, "and comes back as it was");
        }
    }

    #[test]
    fn numbers_outside_the_grammar_are_refused() {
        for text in [
            "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x10", "-01", "1_000", "NaN", "Infinity",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(refusal("[01]"), (2, "no digit after a leading zero"));
        assert_eq!(refusal("1."), (2, "a digit"));
    }

    #[test]
    fn escapes_stand_for_their_characters() {
        assert_eq!(
            value(r#""\"\\\/\b\f\n\r\t""#).as_str(),
            Some("\"\\/\u{8}\u{c}\n\r\t")
        );
        assert_eq!(
            value(r#""\u0041\u00e9\u20AC\u0000""#).as_str(),
            Some("Aé€\0")
        );
        assert_eq!(value(r#""\ud83d\ude00!""#).as_str(), Some("😀!"));
    }

    #[test]
    fn bad_strings_are_refused() {
        const LONE: &str = "a surrogate pair, not half of one";
        for text in [
            r#""\ud800""#,
            r#""\udc00""#,
            r#""\ud800\n""#,
            r#""\ud800\u0041""#,
        ] {
            assert_eq!(refusal(text).1, LONE, "{text}");
        }
        for text in [
            r#""\x""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\u+123""#,
            "\"a\nb\"",
            "\"",
            r#""\"#,
            r#""\u"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_utf8_is_refused_where_it_stops_being_it() {
        let error = Json::parse(b"\"ab\xff\"").unwrap_err();
        assert_eq!((error.at, error.expected), (3, "UTF-8"));
        assert!(
            Json::parse(b"\xef\xbb\xbf1").is_err(),
            "a byte order mark is no white space"
        );
    }

    #[test]
    fn a_refusal_says_where_and_what_would_be_right() {
        assert_eq!(refusal(""), (0, "a value"));
        assert_eq!(refusal("{1:2}"), (1, "a name in quotes"));
        assert_eq!(refusal(r#"{"a" 2}"#), (5, "':'"));
        assert_eq!(refusal("[1 2]"), (3, "',' or ']'"));
        assert_eq!(refusal("[1,]"), (3, "a value"));
        assert_eq!(refusal(r#"{"a":1,}"#), (7, "a name in quotes"));
        assert_eq!(refusal("1 2"), (2, "the end of the line"));
        assert_eq!(refusal("nul"), (0, "true, false or null"));
        assert_eq!(
            parse("]").unwrap_err().to_string(),
            "not JSON at byte 0: expected a value"
        );
    }

    #[test]
    fn nesting_has_a_limit_on_both_sides_of_which_the_answer_is_plain() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(refusal(&nested(MAX_DEPTH + 1)).0, MAX_DEPTH);
        assert!(
            parse(&"[".repeat(1_000_000)).is_err(),
            "no overflow of the stack"
        );
        assert!(parse(&"{\"a\":".repeat(1_000_000)).is_err());
    }

    #[test]
    fn the_number_of_values_has_a_limit() {
        let list = |count: usize| "[".to_owned() + &"0,".repeat(count - 2) + "0]";
        assert!(parse(&list(MAX_VALUES)).is_ok());
        assert_eq!(refusal(&list(MAX_VALUES + 1)).1, "at most 2097152 values");
    }

    #[test]
    fn what_is_read_and_written_again_is_the_same() {
        for text in [
            "null",
            "[true,false,[],{}]",
            r#"{"a":1,"b":{"c":[1.5e300,"x"]},"a":2}"#,
            r#""tab\t quote\" back\\ bell\u0007 é€😀""#,
            "-9223372036854775808",
        ] {
            assert_eq!(value(text).to_string(), text);
            assert_eq!(value(text).to_static(), value(text));
        }
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        match value(r#"{"name":"value"}"#) {
            Json::Object(members) => {
                assert!(matches!(
                    &members[..],
                    [(Cow::Borrowed("name"), Json::String(Cow::Borrowed("value")))]
                ));
            }
            other => panic!("{other}"),
        }
    }
}

//! The one writer of JSON: everything that is written goes through these functions,
//! straight into the bytes that leave, without a tree of values in between.

use super::Json;

/// Appends an object whose members `members` writes.
pub fn object(out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    let start = out.len();
    members(&mut Object { out, start });
    out.push(b'}');
}

/// Appends an array, each element written by `element`.
pub fn list<T>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = T>,
    mut element: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    let start = out.len();
    for each in elements {
        if out.len() > start {
            out.push(b',');
        }
        element(each, out);
    }
    out.push(b']');
}

/// An object that is being written, one member after the other.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    /// Where its first member begins.
    start: usize,
}

impl Object<'_> {
    /// A name that needs no escapes, after which the caller appends the value.
    pub fn field(&mut self, name: &'static str) -> &mut Vec<u8> {
        let open: &[u8] = match self.out.len() > self.start {
            true => b",\"",
            false => b"\"",
        };
        self.out.extend_from_slice(open);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Any name, after which the caller appends the value.
    pub fn any_field(&mut self, name: &str) -> &mut Vec<u8> {
        if self.out.len() > self.start {
            self.out.push(b',');
        }
        encode_str(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// An integer.
    pub fn int(&mut self, name: &'static str, value: i64) {
        encode_int(value, self.field(name));
    }

    /// A string.
    pub fn text(&mut self, name: &'static str, value: &str) {
        encode_str(value, self.field(name));
    }

    /// A string that needs no escapes.
    pub fn word(&mut self, name: &'static str, value: &'static str) {
        let out = self.field(name);
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }

    /// Any JSON.
    pub fn value(&mut self, name: &'static str, value: &Json<'_>) {
        value.encode(self.field(name));
    }

    /// An object.
    pub fn object(&mut self, name: &'static str, members: impl FnOnce(&mut Object<'_>)) {
        object(self.field(name), members);
    }

    /// An array.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        elements: impl IntoIterator<Item = T>,
        element: impl FnMut(T, &mut Vec<u8>),
    ) {
        list(self.field(name), elements, element);
    }
}

/// Appends `int` in decimal. With std instead a `broadcast` costs 3 % more instructions.
pub fn encode_int(int: i64, out: &mut Vec<u8>) {
    // 19 digits and a sign.
    let mut text = [0; 20];
    let mut start = text.len();
    let mut rest = int.unsigned_abs();
    while rest > 0 || start == text.len() {
        start -= 1;
        text[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    if int < 0 {
        start -= 1;
        text[start] = b'-';
    }
    out.extend_from_slice(&text[start..]);
}

/// Appends the integers of `ranges` (first and last of each, both included) as one
/// array. A `read` may show a million of them, most of which follow one another.
pub fn encode_ranges(ranges: impl Iterator<Item = (i64, i64)>, out: &mut Vec<u8>) {
    out.push(b'[');
    let empty = out.len();
    for (mut value, last) in ranges {
        loop {
            let start = out.len();
            encode_int(value, out);
            out.push(b',');
            let end = out.len();
            // Up to the next ten they differ in their last digit alone.
            let alike = if value < 0 {
                0
            } else {
                (9 - value % 10).min(last - value)
            };
            for more in 1..=alike {
                out.extend_from_within(start..end);
                let digit = out.len() - 2;
                out[digit] += more as u8;
            }
            value += alike;
            if value == last {
                break;
            }
            value += 1;
        }
    }
    // The comma behind the last one.
    out.truncate(empty.max(out.len() - 1));
    out.push(b']');
}

/// Appends `text` as a JSON string: quotes, backslashes and control characters
/// escaped, everything else as it is.
pub fn encode_str(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest
        .iter()
        .position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')
    {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_every_length_are_written_as_rust_writes_them() {
        let powers = (0..19).map(|power| 10i64.pow(power));
        let near = powers.flat_map(|power| [power - 1, power, power + 1, power * 9 / 2]);
        let ints: Vec<i64> = near
            .flat_map(|int| [int, -int])
            .chain([i64::MIN, i64::MIN + 1, i64::MAX])
            .collect();
        for int in ints {
            let mut out = Vec::new();
            encode_int(int, &mut out);
            assert_eq!(String::from_utf8(out), Ok(int.to_string()));
        }
    }

    #[test]
    fn a_list_of_ranges_is_the_array_of_their_integers_however_long_it_is() {
        let lists: [&[(i64, i64)]; 6] = [
            &[],
            &[(0, 0)],
            &[(-3, 2), (5, 5)],
            &[(i64::MAX - 1, i64::MAX)],
            &[(i64::MIN, i64::MIN + 400), (0, 5000), (9998, 123_456)],
            &[(i64::MAX - 3000, i64::MAX)],
        ];
        for list in lists {
            let mut out = Vec::new();
            encode_ranges(list.iter().copied(), &mut out);
            let ints = list.iter().flat_map(|&(first, last)| first..=last);
            let texts: Vec<String> = ints.map(|int| int.to_string()).collect();
            let expected = format!("[{}]", texts.join(","));
            assert!(String::from_utf8(out) == Ok(expected), "{list:?}");
        }
    }
}

//! What survives a restart: records, one a line, and their reading back.
//!
//! ```text
//! 181636e2 {"journal":1,"node":"n3"}        whose it is
//! df2ff689 {"epoch":17}                     a start
//! 14c29a32 {"items":[3,5,8]}                what one turn of the loop brought
//! a9e3cc09 {"holds":[[0,812],815]}          the short form of all that came before
//! ```
//!
//! Each line begins with the CRC-32 of the JSON behind it. The file is only ever
//! appended to. When it has grown to some times its short form it is *rewritten*:
//! the short form goes to a new file, and that takes the old one's name.
//!
//! **Reading back.** A crash in the middle of a write leaves the beginning of it, so
//! the last line may be *torn*: it has no end, or zeros in the place of what was not
//! written. It is cut off, and nobody misses it, since nothing that depended on it was
//! ever said. Any other damage is no work of a crash. It is refused: a node that went on without what it had acknowledged would break its
//! word, and nobody would know.
//!
//! **What fsync promises.** `write` gives bytes to the system, which survive the process
//! (SIGKILL) and not the machine: they are in memory, and are written in any order
//! when it suits. Only when `fsync` returns are they on the disk, as far as that one
//! tells the truth. `fdatasync` leaves out what reading does not need (the time of
//! the change). Two more things are easily forgotten: a new or renamed file is safe
//! when its *folder* was synced, too; and after an `fsync` that failed nobody knows what
//! is there (Rebello and others, "Can applications recover from fsync failures?",
//! 2020), so the node does not try again. It ends.
//!
//! **Why a group commit.** An fsync takes 0.1 to 3 ms on this disk, as its mood is. One a
//! message would allow some hundred to some thousand messages a second. So a node takes all lines that are there, makes one record of
//! their news, syncs once, and answers all:
//!
//! | broadcasts a second through a pipe, median of five | without | with a journal |
//! |---|---|---|
//! | as many as the pipe holds | 2 500 000 | 1 290 000 |
//! | one at a time, each waiting for the last one's answer | 47 000 | 6 800 |
//!
//! The more there is to do, the more share a sync: a slow disk costs latency, not
//! throughput. `Journal::store` is the place.
//!
//! **Why the epoch is on disk.** A node that comes back begins new streams, and its
//! neighbours must not take them for the old ones: acks would be ahead of what was
//! received. So each start has a higher number than those before
//! ([`crate::link`]). A clock could tell, as long as nobody sets it back; a count on
//! disk, as long as nobody loses the disk. The node takes the higher of the two.
//!
//! **Caveats.** What a neighbour sends is stored before it is acknowledged, so every node
//! writes every value: that is 25 copies. The disk is believed: a whole record that was
//! synced, and is gone without a trace, is not missed. Rewriting happens between two
//! turns, and nothing is answered meanwhile: a million far-apart values are 13 MB.
//!
//! No I/O here: a [`Journal`] says what is to be done and in which order, and a
//! [`Disk`] does it, `main`'s with files, the testbed's in memory, where it can crash
//! between any two steps.

use std::fmt;
use std::io;

use crate::json::{self, Json, Object};
use crate::workload::{Item, Workload};

/// The version of the format, in the head line. Another one is refused.
const VERSION: i64 = 1;

/// How long a journal may get whatever its short form is.
///
/// Unit: bytes. Reading this back takes a millisecond, so to rewrite a smaller one
/// gains nothing.
pub const LEAST_LONG: u64 = 64 << 10;

/// How often its short form a journal may be long.
///
/// Unit: times. Each rewriting writes the short form once, after three times as much
/// was appended: it costs a third more, at most, however much is stored.
const LONG: u64 = 4;

/// The most items in one record, and the most pieces of a short form.
///
/// Unit: items. One turn's items are one record, unless somebody sends megabytes at
/// once. Well below what [`json`] reads in one text.
const MAX_ITEMS: usize = 1 << 18;
const MAX_PIECES: usize = 4096;

/// How heavy they may be together. Unit: bytes, as [`Item::weight`]. So a record is far
/// below what is read as one text, whatever the clients send.
const MAX_WEIGHT: usize = 1 << 20;

/// How long the checksum and the space behind it are. Unit: bytes.
const SUM: usize = 9;

/// What stores a journal's bytes. Written is not stored: only what was synced before
/// a crash is sure to be there after it. Of the rest there is some beginning.
pub trait Disk: fmt::Debug {
    /// Reads the next line, with its line break, if it has one, behind what is in
    /// `line`; false: there is none. Only before anything is written.
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool>;

    /// Cuts the file to so many bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Writes `bytes` at the end of the file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all that was written to the file is stored.
    fn sync(&mut self) -> io::Result<()>;

    /// Makes another, empty file. From here on [`append`](Disk::append) and
    /// [`sync`](Disk::sync) mean this one.
    fn create(&mut self) -> io::Result<()>;

    /// Gives the other file the first one's name, in one step: whatever happens,
    /// under that name there is the one or the other.
    fn rename(&mut self) -> io::Result<()>;

    /// Returns when it is stored which file has the name.
    fn sync_folder(&mut self) -> io::Result<()>;
}

/// A journal that is open.
#[derive(Debug)]
pub struct Journal {
    disk: Box<dyn Disk>,
    /// How long it is, and how long its short form was. Unit: bytes.
    length: u64,
    short: u64,
    /// Below this length it is not rewritten.
    least: u64,
}

/// A journal that was opened, and what was found in it.
pub type Opened<W> = (Journal, Found<W>);

/// Why a journal could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// It cannot be believed.
    Damage(Damage),
    /// The disk failed.
    Disk(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        OpenError::Disk(error)
    }
}

impl Journal {
    /// Reads what node `node` has stored on `disk`, and cuts a torn end off. It will not
    /// be rewritten before it has `least` bytes: [`LEAST_LONG`], unless one wants to
    /// see it often.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing has been changed then, unless the disk failed.
    pub fn open<W: Workload>(
        mut disk: Box<dyn Disk>,
        node: &str,
        least: u64,
    ) -> Result<Opened<W>, OpenError> {
        let mut reader = Reader::new(node);
        let mut line = Vec::new();
        while disk.read_line(&mut line)? {
            reader.line(&line).map_err(OpenError::Damage)?;
            line.clear();
        }
        let found = reader.finish();
        if found.torn.is_some() {
            disk.truncate(found.length)?;
            disk.sync()?;
        }
        if found.length == 0 {
            // The file may be new, and its name not stored yet.
            disk.sync_folder()?;
        }
        let (length, short) = (found.length, found.short);
        let journal = Journal {
            disk,
            length,
            short,
            least,
        };
        Ok((journal, found))
    }

    /// Stores `records`: when it returns they are safe. If the journal has become long
    /// by them, puts its `short` form in the place of everything.
    ///
    /// # Errors
    ///
    /// The disk's. What is stored then nobody knows, and nothing that depends on it
    /// may be said any more.
    pub fn store<I: Iterator<Item = Vec<u8>>>(
        &mut self,
        records: &[u8],
        short: impl FnOnce() -> I,
    ) -> io::Result<()> {
        self.disk.append(records)?;
        self.disk.sync()?;
        self.length += records.len() as u64;
        if self.length > self.least.max(self.short.saturating_mul(LONG)) {
            self.rewrite(short())?;
        }
        Ok(())
    }

    fn rewrite(&mut self, records: impl Iterator<Item = Vec<u8>>) -> io::Result<()> {
        self.disk.create()?;
        self.length = 0;
        for record in records {
            self.disk.append(&record)?;
            self.length += record.len() as u64;
        }
        self.disk.sync()?;
        self.disk.rename()?;
        self.disk.sync_folder()?;
        self.short = self.length;
        Ok(())
    }
}

// Writing.

/// The CRC-32 of IEEE 802.3 (as in gzip and PNG): finds every error of up to 32 bits
/// in a row, and of longer ones all but one in 4 billion.
pub fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut sum, mut bit) = (byte as u32, 0);
            while bit < 8 {
                let carry = sum & 1 != 0;
                sum = (sum >> 1) ^ if carry { 0xedb8_8320 } else { 0 };
                bit += 1;
            }
            table[byte] = sum;
            byte += 1;
        }
        table
    };
    let step = |sum: u32, &byte: &u8| (sum >> 8) ^ TABLE[usize::from(sum as u8 ^ byte)];
    !bytes.iter().fold(!0, step)
}

/// What stands in front of `text`: eight digits and a space.
fn checksum(text: &[u8]) -> [u8; SUM] {
    let sum = crc32(text);
    let digit = |at: usize| b"0123456789abcdef"[(sum >> (28 - 4 * at)) as usize & 15];
    std::array::from_fn(|at| if at < SUM - 1 { digit(at) } else { b' ' })
}

fn record(out: &mut Vec<u8>, body: impl FnOnce(&mut Object<'_>)) {
    let start = out.len();
    out.resize(start + SUM, 0);
    json::object(out, body);
    let sum = checksum(&out[start + SUM..]);
    out[start..start + SUM].copy_from_slice(&sum);
    out.push(b'\n');
}

/// The first record: whose journal it is.
pub fn write_head(out: &mut Vec<u8>, node: &str) {
    record(out, |body| {
        body.int("journal", VERSION);
        body.text("node", node);
    });
}

/// A start, in this incarnation.
pub fn write_epoch(out: &mut Vec<u8>, epoch: u64) {
    record(out, |body| body.int("epoch", epoch as i64));
}

/// Items that were news.
pub fn write_items<I: Item>(out: &mut Vec<u8>, items: &[I]) {
    let mut items = items.iter().peekable();
    while items.peek().is_some() {
        let some = a_record(&mut items, MAX_ITEMS, |item| item.weight());
        record(out, |body| body.list("items", some, I::write));
    }
}

/// So many items as one record holds: `most`, if they are small.
fn a_record<I>(
    items: &mut impl Iterator<Item = I>,
    most: usize,
    weight: impl Fn(&I) -> usize,
) -> Vec<I> {
    let mut room = MAX_WEIGHT;
    let mut some = Vec::new();
    while room > 0 && some.len() < most {
        let Some(item) = items.next() else { break };
        room = room.saturating_sub(weight(&item));
        some.push(item);
    }
    some
}

/// The short form of a journal, record by record.
pub fn short_form<W: Workload>(
    node: &str,
    epoch: u64,
    workload: &W,
) -> impl Iterator<Item = Vec<u8>> {
    let mut first = Vec::new();
    write_head(&mut first, node);
    write_epoch(&mut first, epoch);
    let mut pieces = workload.pieces();
    let others = std::iter::from_fn(move || {
        let some = a_record(&mut pieces, MAX_PIECES, W::Piece::weight);
        let mut out = Vec::new();
        record(&mut out, |body| body.list("holds", &some, W::Piece::write));
        (!some.is_empty()).then_some(out)
    });
    std::iter::once(first).chain(others)
}

// Reading.

/// What was found in a journal.
#[derive(Clone, Debug)]
pub struct Found<W> {
    /// The state that it tells of.
    pub workload: W,
    /// The last incarnation that began; 0: none.
    pub epoch: u64,
    /// How much of it is good. Unit: bytes. 0: it is new.
    pub length: u64,
    /// Of these, the short form at the beginning.
    pub short: u64,
    /// What is wrong with the end, which a crash has torn.
    pub torn: Option<Damage>,
}

/// A line that cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its number, from 1 on.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Reads a journal line by line.
struct Reader<'a, W> {
    node: &'a str,
    found: Found<W>,
    /// The number of the last line.
    line: u64,
}

/// What a record is.
#[derive(PartialEq, Eq)]
enum Record {
    /// Of the short form.
    Short,
    Other,
}

/// What a line that is no record may be.
enum Bad {
    /// The beginning of one, if nothing follows.
    Torn(&'static str),
    /// Nothing that a crash leaves.
    Refused(String),
}

impl<'a, W: Workload> Reader<'a, W> {
    fn new(node: &'a str) -> Reader<'a, W> {
        let found = Found {
            workload: W::default(),
            epoch: 0,
            length: 0,
            short: 0,
            torn: None,
        };
        Reader {
            node,
            found,
            line: 0,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Damage> {
        if let Some(torn) = self.found.torn.take() {
            // Something follows: that was no crash.
            return Err(torn);
        }
        self.line += 1;
        let number = self.line;
        let damage = |reason| Damage {
            line: number,
            reason,
        };
        match self.take(line) {
            Ok(kind) => {
                self.found.length += line.len() as u64;
                if kind == Record::Short {
                    // It stands in front of everything else.
                    self.found.short = self.found.length;
                }
            }
            Err(Bad::Torn(reason)) => self.found.torn = Some(damage(reason.into())),
            Err(Bad::Refused(reason)) => return Err(damage(reason)),
        }
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<Record, Bad> {
        let Some(text) = line.strip_suffix(b"\n") else {
            return match self.line {
                1 => self.begins_a_head(line),
                _ => Err(Bad::Torn("it has no end")),
            };
        };
        let (sum, text) = text.split_at(SUM.min(text.len()));
        if *sum != checksum(text) {
            return match self.line {
                1 => Err(Bad::Refused("this is no journal, or a damaged one".into())),
                // Of what a crash kept from being written a file system shows zeros.
                _ if text.contains(&0) => Err(Bad::Torn("some of it was not written")),
                _ => Err(Bad::Refused("its checksum is wrong".into())),
            };
        }
        let json = Json::parse(text).map_err(|error| Bad::Refused(error.to_string()))?;
        let member = |name: &str| json.get(name);
        if self.line == 1 {
            return self.head(member("journal"), member("node"));
        }
        self.record(&json).map_err(Bad::Refused)
    }

    /// A crash may have come while the first line was written. What could be somebody's
    /// file is none of ours to cut off.
    fn begins_a_head(&self, line: &[u8]) -> Result<Record, Bad> {
        let mut head = Vec::new();
        write_head(&mut head, self.node);
        let written = line.iter().rposition(|&byte| byte != 0);
        match head.starts_with(&line[..written.map_or(0, |last| last + 1)]) {
            true => Err(Bad::Torn("it has no end")),
            false => Err(Bad::Refused("this is no journal, or another node's".into())),
        }
    }

    fn head(&self, version: Option<&Json<'_>>, node: Option<&Json<'_>>) -> Result<Record, Bad> {
        let refused = |text: String| Err(Bad::Refused(text));
        match (version, node) {
            (Some(Json::Int(VERSION)), Some(Json::String(name))) if name == self.node => {
                Ok(Record::Other)
            }
            (Some(Json::Int(VERSION)), Some(Json::String(name))) => {
                let node = self.node;
                refused(format!(
                    "this is the journal of {name}, and the node is {node}"
                ))
            }
            (Some(Json::Int(version)), _) => refused(format!(
                "its format is version {version}, and this node reads {VERSION}"
            )),
            _ => refused("a journal begins with its version and its node's name".into()),
        }
    }

    fn record(&mut self, json: &Json<'_>) -> Result<Record, String> {
        let Json::Object(members) = json else {
            return Err("a record is an object".into());
        };
        let [(name, value)] = &members[..] else {
            return Err("a record has one member".into());
        };
        let workload = &mut self.found.workload;
        match (&**name, value) {
            ("epoch", Json::Int(epoch @ 1..)) => self.found.epoch = *epoch as u64,
            ("items", Json::Array(items)) => {
                for item in items {
                    let item = W::Item::read(item).ok_or_else(|| mistake::<W::Item>(item))?;
                    workload.merge(&item);
                }
            }
            ("holds", Json::Array(pieces)) => {
                for piece in pieces {
                    let piece = W::Piece::read(piece).ok_or_else(|| mistake::<W::Piece>(piece))?;
                    workload.restore(&piece);
                }
                return Ok(Record::Short);
            }
            _ => return Err(format!("there is no record {name} with such a value")),
        }
        Ok(Record::Other)
    }

    fn finish(self) -> Found<W> {
        self.found
    }
}

fn mistake<I: Item>(json: &Json<'_>) -> String {
    let text = crate::event::clip(&json.to_string());
    format!(
        "{text} is not {}: is this another workload's journal?",
        I::WHAT
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::broadcast::Broadcast;

    /// A journal that brought these items, a turn each, in incarnation 17.
    fn journal(node: &str, turns: &[&[i64]]) -> Vec<u8> {
        let mut out = Vec::new();
        write_head(&mut out, node);
        write_epoch(&mut out, 17);
        turns.iter().for_each(|items| write_items(&mut out, items));
        out
    }

    fn read(bytes: &[u8]) -> Result<Found<Broadcast>, Damage> {
        let mut reader = Reader::new("n3");
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            reader.line(line)?;
        }
        Ok(reader.finish())
    }

    fn values(found: &Found<Broadcast>) -> Vec<i64> {
        found.workload.values().iter().collect()
    }

    fn refusal(bytes: &[u8]) -> String {
        read(bytes).expect_err("refused").to_string()
    }

    #[test]
    fn the_checksum_is_the_one_that_everybody_means_by_crc_32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = journal("n3", &[&[3, 5, 8], &[4]]);
        assert_eq!(
            String::from_utf8_lossy(&bytes).lines().next(),
            Some(r#"181636e2 {"journal":1,"node":"n3"}"#)
        );
        let found = read(&bytes).expect("a journal");
        assert_eq!(values(&found), [3, 4, 5, 8]);
        assert_eq!((found.epoch, found.length), (17, bytes.len() as u64));
        assert_eq!(found.torn, None);
    }

    #[test]
    fn nothing_is_a_new_journal() {
        let found = read(b"").expect("a journal");
        assert_eq!((found.epoch, found.length, found.torn), (0, 0, None));
    }

    #[test]
    fn wherever_a_crash_tears_it_what_came_before_is_there_and_the_rest_is_cut_off() {
        let (before, whole) = (journal("n3", &[&[3]]), journal("n3", &[&[3], &[4, 5]]));
        for length in 0..whole.len() {
            let found = read(&whole[..length]).expect("torn, not damaged");
            let good = whole[..length].iter().rposition(|&byte| byte == b'\n');
            let good = good.map_or(0, |at| at + 1);
            assert_eq!(found.length, good as u64);
            assert_eq!(found.torn.is_some(), good < length);
            let zeros = [&whole[..length], &vec![0; whole.len() - length]].concat();
            let found = read(&zeros).expect("torn, not damaged");
            assert_eq!(found.length, good as u64);
            assert_eq!(
                found.workload.values().len(),
                u64::from(good >= before.len())
            );
        }
    }

    #[test]
    fn one_flipped_bit_is_found_wherever_it_is() {
        let whole = journal("n3", &[&[3], &[4, 5]]);
        let last = journal("n3", &[&[3]]).len();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = read(&bytes) {
                // Two places are left that a crash may have made, in the last line: its
                // end, and a zero.
                let place = bit / 8 == whole.len() - 1 || bytes[bit / 8] == 0;
                assert!(place && bit / 8 >= last, "bit {bit}");
                assert!(found.torn.is_some() && values(&found) == [3], "bit {bit}");
            }
        }
    }

    #[test]
    fn what_is_no_work_of_a_crash_is_refused_with_what_is_wrong() {
        let whole = journal("n3", &[&[3], &[4, 5]]);
        let mut lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
        lines[2] = b"a torn li\n";
        assert_eq!(refusal(&lines.concat()), "line 3: its checksum is wrong");
        assert_eq!(
            refusal(&journal("n4", &[])),
            "line 1: this is the journal of n4, and the node is n3"
        );
        assert_eq!(
            refusal(b"my shopping list\n"),
            "line 1: this is no journal, or a damaged one"
        );
        assert_eq!(
            refusal(b"my shopping list"),
            "line 1: this is no journal, or another node's"
        );
        let mut bytes = Vec::new();
        record(&mut bytes, |body| body.int("journal", 2));
        let text = "line 1: its format is version 2, and this node reads 1";
        assert_eq!(refusal(&bytes), text);
        let mut bytes = journal("n3", &[]);
        record(&mut bytes, |body| {
            body.list("items", ["x"], json::encode_str)
        });
        assert_eq!(
            refusal(&bytes),
            r#"line 3: "x" is not an integer: is this another workload's journal?"#
        );
    }

    #[test]
    fn the_short_form_says_the_same() {
        let mut workload = Broadcast::default();
        (0..100_000).for_each(|value| {
            workload.merge(&(value * 3 / 2));
        });
        let short: Vec<u8> = short_form("n3", 4, &workload).flatten().collect();
        let found = read(&short).expect("a journal");
        assert_eq!(found.workload.values(), workload.values());
        assert_eq!((found.epoch, found.short), (4, short.len() as u64));
        let longest = short.split(|&byte| byte == b'\n').map(<[u8]>::len).max();
        assert!(longest < Some(100_000), "in pieces: {longest:?}");
    }
}

//! What survives a restart: records, one a line, and their reading back.
//!
//! ```text
//! 64771339 {"journal":2,"node":"n3"}        whose it is
//! df2ff689 {"epoch":17}                     a start
//! f375676d {"synced":57}                    a mark: the 57 bytes before it were synced
//! 14c29a32 {"items":[3,5,8]}                what one turn of the loop brought
//! 4ffdacd3 {"synced":107}
//! a9e3cc09 {"holds":[[0,812],815]}          the short form of all that came before
//! ```
//!
//! Each line begins with the CRC-32 of the JSON behind it. The file is only ever
//! appended to. When it has grown to some times its short form it is *rewritten*:
//! the short form goes to a new file, and that takes the old one's name. If there is no
//! room for a new file, the node removes it, warns, and goes on with the long form, which is
//! whole. It tries again when that has doubled.
//!
//! **Reading back.** Until a sync returns, the system writes the pages of a file in any
//! order. So a crash may leave any of them, with zeros in the place of the others, and
//! the file may be shorter than what was written. All this is cut off, from the first
//! damaged line on. Nobody misses it, since nothing that depended on it was ever said.
//! But damage to what a sync had covered is no work of a crash. It is refused: a node
//! that went on without what it had acknowledged would break its word, and nobody would
//! know.
//!
//! **Marks.** How does a reader tell the two apart? When a sync has returned, the node
//! appends a mark, which says how many bytes stand before it. It does not sync the mark:
//! that comes with the next turn. So a mark costs some 25 bytes and one `write` (5 of the
//! 165 microseconds of a turn with one value). The reader looks for a mark behind the
//! damage. If there is one, a sync had covered the damaged place. A mark counts only at the
//! very byte that it names. So old bytes in a wrong place prove nothing, and a line that is
//! missing in the middle is noticed. A short form has its mark at its end: it is synced as a
//! whole before it has its name.
//!
//! **What fsync promises.** `write` gives bytes to the system. The bytes survive the process
//! (SIGKILL) and not the machine: they are in memory, and are written in any order when
//! it suits. Only when `fsync` returns are they on the disk, as far as that one tells
//! the truth. `fdatasync` leaves out what reading does not need (the time of the
//! change). Two more things are easily forgotten. A new or renamed file is safe when its
//! *folder* was synced, too. After an `fsync` that failed nobody knows what is there
//! (Rebello and others, "Can applications recover from fsync failures?", 2020). So the
//! node does not try again. It ends.
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
//! **Why the epoch is on disk.** A node that comes back begins new streams. Its
//! neighbours must not take them for the old ones: acks would be ahead of what was
//! received. So each start has a higher number than those before ([`crate::link`]).
//! A clock could tell, as long as nobody sets it back; a count on disk, as long as
//! nobody loses the disk. The node takes the higher of the two.
//!
//! **Caveats.** What a neighbour sends is stored before it is acknowledged, so every node
//! writes every value: that is 25 copies. The disk is believed: if the file has lost
//! whole lines at its end, nobody can tell. After a crash the last turn's mark may be
//! missing. If that turn is damaged later, before the next start, it looks like a torn
//! write and is cut off. So does a journal in which no mark is left. Rewriting happens between
//! two turns, and nothing is answered meanwhile: a million far-apart values are 13 MB.
//!
//! No I/O here. A [`Journal`] says what is to be done and in which order, and a
//! [`Disk`] does it. The disk of `main` does it with files. The testbed's disk does
//! it in memory, where it can crash between any two steps.

mod crc32;

use std::fmt;
use std::io;

use crate::json::{self, Json, Object};
use crate::workload::{Item, Workload};
pub use crc32::crc32;

/// The version of the format, in the head line, and the one before, which had no marks.
/// It is read; all others are refused.
const VERSION: i64 = 2;
const WITHOUT_MARKS: i64 = 1;

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

/// The most items in one record, and the most pieces of a short form. Unit: items. Well below
/// what [`json`] reads in one text, and many enough that a record's frame costs nothing.
const MAX_ITEMS: usize = 4096;

/// How heavy they may be together. Unit: bytes, as [`Item::weight`]. So a record is far
/// below what is read as one text, whatever the clients send.
const MAX_WEIGHT: usize = 1 << 20;

/// How long the checksum and the space behind it are. Unit: bytes.
const SUM: usize = 9;

/// How a mark goes on behind its checksum, and how long one is at most: the checksum,
/// these, 19 digits, and the end. Unit: bytes.
const MARK: &[u8] = b" {\"synced\":";
const MAX_MARK: usize = SUM - 1 + MARK.len() + 19 + 2;

/// What stores a journal's bytes. Written is not stored: only what was synced before
/// a crash is sure to be there after it. Of the rest there may be any part, with zeros
/// in the place of what is missing.
pub trait Disk: fmt::Debug {
    /// Reads the next line, with its line break, if it has one, behind what is in
    /// `line`; false: there is none. Of a line that is longer than any record it may give
    /// a part, and then the next. Only before anything is written.
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

    /// Removes the other file, if there is one: this run's or a former run's. From here
    /// on [`append`](Disk::append) and [`sync`](Disk::sync) mean the first file again.
    fn discard(&mut self);

    /// Gives the other file the first one's name, in one step: whatever happens,
    /// under that name there is the one or the other.
    fn rename(&mut self) -> io::Result<()>;

    /// Returns when it is stored which file has the name.
    fn sync_folder(&mut self) -> io::Result<()>;
}

/// A journal that is open.
#[derive(Debug)]
pub struct Journal<D: ?Sized = dyn Disk> {
    disk: Box<D>,
    /// How long it is, and beyond which length it is rewritten. Unit: bytes.
    length: u64,
    limit: u64,
    /// The least limit.
    least: u64,
}

/// A journal that was opened, and what was found in it.
pub type Opened<D, W> = (Journal<D>, Found<W>);

impl<D: Disk + ?Sized> Journal<D> {
    /// Reads what node `node` has stored on `disk`, and cuts a torn end off. It will not
    /// be rewritten before it has `least` bytes: [`LEAST_LONG`], unless one wants to
    /// see it often.
    ///
    /// # Errors
    ///
    /// The disk's. [`Damage`], as `InvalidData`, if the journal cannot be believed: nothing
    /// has been changed then.
    pub fn open<W: Workload>(mut disk: Box<D>, node: &str, least: u64) -> io::Result<Opened<D, W>> {
        let mut reader = Reader {
            node,
            ..Reader::<W>::default()
        };
        let mut line = Vec::new();
        while disk.read_line(&mut line)? {
            let taken = reader.line(&line);
            taken.map_err(|damage| io::Error::new(io::ErrorKind::InvalidData, damage))?;
            line.clear();
        }
        let found = reader.finish();
        // A rewriting that a crash has ended: its part of a file only takes room.
        disk.discard();
        if found.torn.is_some() {
            disk.truncate(found.length)?;
            disk.sync()?;
        }
        if found.length == 0 {
            // The file may be new, and its name not stored yet.
            disk.sync_folder()?;
        }
        let journal = Journal {
            disk,
            length: found.length,
            limit: limit(found.short, least),
            least,
        };
        Ok((journal, found))
    }

    /// Stores `records`: when it returns they are safe. If the journal has become long
    /// by them, puts its `short` form in the place of everything. What keeps it from
    /// doing so is given back and does no harm: the long form is whole and stored. It
    /// tries again when that has doubled.
    ///
    /// # Errors
    ///
    /// The disk's. What is stored then nobody knows, and nothing that depends on it
    /// may be said any more.
    pub fn store<I: Iterator<Item = Vec<u8>>>(
        &mut self,
        records: &[u8],
        short: impl FnOnce() -> I,
    ) -> io::Result<Option<io::Error>> {
        self.disk.append(records)?;
        self.disk.sync()?;
        self.length += records.len() as u64;
        // It is not synced itself: that comes with the next records.
        let mark = mark(self.length);
        self.disk.append(&mark)?;
        self.length += mark.len() as u64;
        if self.length <= self.limit {
            return Ok(None);
        }
        match self.write_anew(short()) {
            Ok(length) => {
                // Both files hold everything so far. But when one of these two steps
                // fails, nobody knows which one a crash would leave, and what was
                // appended to the other would be lost.
                self.disk.rename()?;
                self.disk.sync_folder()?;
                (self.length, self.limit) = (length, limit(length, self.least));
                Ok(None)
            }
            Err(error) => {
                self.disk.discard();
                self.limit = self.length.saturating_mul(2);
                Ok(Some(error))
            }
        }
    }

    /// Stores `records` in a file of their own, which has no name yet. Gives its length.
    fn write_anew(&mut self, records: impl Iterator<Item = Vec<u8>>) -> io::Result<u64> {
        self.disk.create()?;
        let mut length = 0;
        for record in records {
            self.disk.append(&record)?;
            length += record.len() as u64;
        }
        // When this file has the name, this is true.
        let mark = mark(length);
        self.disk.append(&mark)?;
        self.disk.sync()?;
        Ok(length + mark.len() as u64)
    }
}

/// Beyond which length a journal is rewritten that has so `short` a form.
fn limit(short: u64, least: u64) -> u64 {
    least.max(short.saturating_mul(LONG))
}

// Writing.

/// What stands in front of `text`: eight digits and a space.
fn checksum(text: &[u8]) -> String {
    format!("{:08x} ", crc32(text))
}

fn record(out: &mut Vec<u8>, body: impl FnOnce(&mut Object<'_>)) {
    let start = out.len();
    out.resize(start + SUM, 0);
    json::object(out, body);
    let sum = checksum(&out[start + SUM..]);
    out[start..start + SUM].copy_from_slice(sum.as_bytes());
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

/// What says that all before it, so many bytes, was synced.
fn mark(at: u64) -> Vec<u8> {
    let mut out = Vec::new();
    record(&mut out, |body| body.int("synced", at as i64));
    out
}

/// Items that were news.
pub fn write_items<I: Item>(out: &mut Vec<u8>, items: &[I]) {
    for record in records("items", items.iter().cloned()) {
        out.extend_from_slice(&record);
    }
}

/// Records of this name, in which all `items` are.
fn records<I: Item>(
    name: &'static str,
    mut items: impl Iterator<Item = I>,
) -> impl Iterator<Item = Vec<u8>> {
    std::iter::from_fn(move || {
        let (mut room, mut some) = (MAX_WEIGHT, Vec::new());
        while room > 0
            && some.len() < MAX_ITEMS
            && let Some(item) = items.next()
        {
            room = room.saturating_sub(item.weight());
            some.push(item);
        }
        let mut out = Vec::new();
        record(&mut out, |body| body.list(name, &some, I::write));
        (!some.is_empty()).then_some(out)
    })
}

/// The short form of a journal, record by record.
pub fn short_form<W: Workload>(
    node: &str,
    epoch: u64,
    workload: &W,
) -> impl Iterator<Item = Vec<u8>> {
    let mut first = Vec::new();
    write_head(&mut first, node);
    // So a reader knows from here on that this is a short form, even if the rest is damaged.
    record(&mut first, |body| body.list("holds", [], W::Piece::write));
    write_epoch(&mut first, epoch);
    std::iter::once(first).chain(records("holds", workload.pieces()))
}

// Reading.

/// What was found in a journal.
#[derive(Clone, Debug, Default)]
pub struct Found<W> {
    /// The state that it tells of.
    pub workload: W,
    /// The last incarnation that began; 0: none.
    pub epoch: u64,
    /// How much of it is good. Unit: bytes. 0: it is new.
    pub length: u64,
    /// Of these, the short form at the beginning.
    pub short: u64,
    /// What is wrong with the end, which a crash has torn and no sync had covered.
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

impl std::error::Error for Damage {}

/// Reads a journal line by line.
#[derive(Default)]
struct Reader<'a, W> {
    node: &'a str,
    found: Found<W>,
    /// The number of the last line that was looked at, and where the next one begins.
    line: u64,
    end: u64,
    /// The format's version; 0: the head cannot be read.
    version: i64,
    /// Where the last mark is. Unit: bytes. 0: there was none.
    marked: u64,
    /// Behind damage: the last bytes that were read, as many as a mark has.
    tail: Vec<u8>,
}

/// What a line is that is no record.
enum Bad {
    /// What a crash leaves, if no sync had covered it.
    Torn(&'static str),
    /// Nothing that a crash leaves.
    Refused(String),
}

impl<'a, W: Workload> Reader<'a, W> {
    /// Takes a line, or a part of one that is too long to be a record.
    fn line(&mut self, line: &[u8]) -> Result<(), Damage> {
        self.end += line.len() as u64;
        let damage = match self.found.torn.take() {
            None => {
                self.line += 1;
                match self.take(line) {
                    Ok(()) => {
                        self.found.length = self.end;
                        return Ok(());
                    }
                    Err(Bad::Torn(reason)) => self.damage(reason.into()),
                    Err(Bad::Refused(reason)) => return Err(self.damage(reason)),
                }
            }
            // Without marks only the last line may be torn.
            Some(damage) if !self.has_marks() => return Err(damage),
            Some(damage) => damage,
        };
        let last = &line[line.len().saturating_sub(MAX_MARK)..];
        self.tail.extend_from_slice(last);
        let old = self.tail.len().saturating_sub(MAX_MARK);
        self.tail.drain(..old);
        if let Some(at) = mark_at_the_end(&self.tail, self.end) {
            let reason = damage.reason;
            return Err(self.damage(format!(
                "{reason}, and the mark at byte {at} says that it was synced"
            )));
        }
        self.found.torn = Some(damage);
        Ok(())
    }

    fn damage(&self, reason: String) -> Damage {
        Damage {
            line: self.line,
            reason,
        }
    }

    fn has_marks(&self) -> bool {
        self.version != WITHOUT_MARKS || self.marked > 0
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Bad> {
        let (sum, text) = line.split_at(SUM.min(line.len()));
        let text = text.strip_suffix(b"\n");
        let Some(text) = text.filter(|text| *sum == *checksum(text).as_bytes()) else {
            return Err(self.bad(line));
        };
        let json = Json::parse(text).map_err(|error| Bad::Refused(error.to_string()))?;
        let read = match self.line {
            1 => self.head(json.get("journal"), json.get("node")),
            _ => self.record(&json),
        };
        read.map_err(Bad::Refused)
    }

    fn bad(&self, line: &[u8]) -> Bad {
        let zeros = line.contains(&0);
        let reason = match line.ends_with(b"\n") {
            false => "it has no end",
            // Of what a crash kept from being written a file system shows zeros.
            true if zeros => "some of it is zeros",
            true => "its checksum is wrong",
        };
        if self.line == 1 && !self.is_part_of_a_head(line) {
            Bad::Refused("this is no journal, or a damaged one, or another node's".into())
        } else if self.version == VERSION && self.found.short > self.marked {
            // The mark at its end is still to come.
            Bad::Refused(format!("{reason}, and a short form is synced as a whole"))
        } else if !self.has_marks() && line.ends_with(b"\n") && !zeros {
            Bad::Refused(reason.into())
        } else {
            Bad::Torn(reason)
        }
    }

    /// A crash may have come before all of the first line was written. What could be
    /// somebody's file is not ours to cut off.
    fn is_part_of_a_head(&self, line: &[u8]) -> bool {
        let mut head = Vec::new();
        write_head(&mut head, self.node);
        let mut pairs = line.iter().zip(&head);
        pairs.all(|(&byte, &right)| byte == 0 || byte == right)
    }

    fn head(&mut self, version: Option<&Json<'_>>, node: Option<&Json<'_>>) -> Result<(), String> {
        match (version, node) {
            (Some(Json::Int(version @ WITHOUT_MARKS..=VERSION)), Some(Json::String(name))) => {
                self.version = *version;
                let node = self.node;
                match name == node {
                    true => Ok(()),
                    false => Err(format!(
                        "this is the journal of {name}, and the node is {node}"
                    )),
                }
            }
            (Some(Json::Int(version)), _) => Err(format!(
                "its format is version {version}, and this node reads {WITHOUT_MARKS} and {VERSION}"
            )),
            _ => Err("a journal begins with its version and its node's name".into()),
        }
    }

    fn record(&mut self, json: &Json<'_>) -> Result<(), String> {
        let Json::Object(members) = json else {
            return Err("a record is an object".into());
        };
        let [(name, value)] = &members[..] else {
            return Err("a record has one member".into());
        };
        let workload = &mut self.found.workload;
        match (&**name, value) {
            ("epoch", Json::Int(epoch @ 1..)) => self.found.epoch = *epoch as u64,
            ("synced", Json::Int(at)) if *at as u64 == self.found.length => {
                self.marked = self.found.length;
            }
            ("synced", _) => {
                let at = self.found.length;
                return Err(format!("a mark that stands at byte {at} says {value}"));
            }
            ("items", Json::Array(items)) => {
                for json in items {
                    workload.merge(&item(json)?);
                }
            }
            ("holds", Json::Array(pieces)) => {
                for json in pieces {
                    workload.restore(&item(json)?);
                }
                // It stands in front of everything else.
                self.found.short = self.end;
            }
            _ => return Err(format!("there is no record {name} with such a value")),
        }
        Ok(())
    }

    fn finish(mut self) -> Found<W> {
        if let Some(damage) = &mut self.found.torn {
            let bytes = self.end - self.found.length;
            damage.reason += &format!(
                "; the {bytes} bytes from there on are cut off, as no mark says that they were synced"
            );
        }
        self.found
    }
}

/// Where the mark stands with which `tail` ends, if it does, and so does the file's part up to
/// byte `end`. There is no such text inside another record: quotes in a string are
/// escaped, and outside of one there are no spaces.
fn mark_at_the_end(tail: &[u8], end: u64) -> Option<u64> {
    let mut places = tail.windows(MARK.len());
    let start = places
        .rposition(|part| part == MARK)?
        .checked_sub(SUM - 1)?;
    let at = end - (tail.len() - start) as u64;
    (tail[start..] == mark(at)).then_some(at)
}

fn item<I: Item>(json: &Json<'_>) -> Result<I, String> {
    I::read(json).ok_or_else(|| {
        let (text, what) = (crate::event::clip(&json.to_string()), I::WHAT);
        format!("{text} is not {what}: is this another workload's journal?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::broadcast::Broadcast;

    /// A disk that never crashes.
    #[derive(Debug, Default)]
    struct Fake {
        file: Vec<u8>,
        other: Option<Vec<u8>>,
        writes_other: bool,
        /// How much room there is for the other file.
        room: usize,
        /// How much was read, and how much of a line is read at once, if it has a limit.
        read: usize,
        piece: Option<usize>,
    }

    impl Disk for Fake {
        fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
            let rest = &self.file[self.read..];
            let end = rest.iter().position(|&byte| byte == b'\n');
            let end = end.map_or(rest.len(), |end| end + 1);
            let end = end.min(self.piece.unwrap_or(end));
            line.extend_from_slice(&rest[..end]);
            self.read += end;
            Ok(end > 0)
        }

        fn truncate(&mut self, length: u64) -> io::Result<()> {
            self.file.truncate(length as usize);
            Ok(())
        }

        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            match &mut self.other {
                Some(other) if self.writes_other => {
                    other.extend_from_slice(bytes);
                    let fits = other.len() <= self.room;
                    fits.then_some(()).ok_or(io::Error::other("no room"))
                }
                _ => {
                    self.file.extend_from_slice(bytes);
                    Ok(())
                }
            }
        }

        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn create(&mut self) -> io::Result<()> {
            (self.other, self.writes_other) = (Some(Vec::new()), true);
            Ok(())
        }

        fn discard(&mut self) {
            (self.other, self.writes_other) = (None, false);
        }

        fn rename(&mut self) -> io::Result<()> {
            self.file = self.other.take().ok_or(io::ErrorKind::NotFound)?;
            self.writes_other = false;
            Ok(())
        }

        fn sync_folder(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The journal of `node` on `disk`.
    fn open(disk: Fake, node: &str, least: u64) -> io::Result<Opened<Fake, Broadcast>> {
        Journal::open(Box::new(disk), node, least)
    }

    /// A journal that brought these items, a turn each, in incarnation 17.
    fn journal(node: &str, turns: &[&[i64]]) -> Vec<u8> {
        let (mut journal, _) = open(Fake::default(), node, LEAST_LONG).expect("a new journal");
        let mut start = Vec::new();
        write_head(&mut start, node);
        write_epoch(&mut start, 17);
        store(&mut journal, &start).expect("stored");
        for items in turns {
            store(&mut journal, &items_record(items)).expect("stored");
        }
        journal.disk.file
    }

    fn items_record(items: &[i64]) -> Vec<u8> {
        let mut out = Vec::new();
        write_items(&mut out, items);
        out
    }

    /// Stores records in a journal whose short form says that there is nothing.
    fn store(journal: &mut Journal<Fake>, records: &[u8]) -> io::Result<Option<String>> {
        let nothing = Broadcast::default();
        let failed = journal.store(records, || short_form("n3", 17, &nothing))?;
        Ok(failed.map(|error| error.to_string()))
    }

    fn read(bytes: &[u8]) -> Result<Found<Broadcast>, Damage> {
        read_in_pieces(bytes, None)
    }

    fn read_in_pieces(bytes: &[u8], piece: Option<usize>) -> Result<Found<Broadcast>, Damage> {
        let disk = Fake {
            file: bytes.to_vec(),
            piece,
            ..Fake::default()
        };
        match open(disk, "n3", LEAST_LONG) {
            Ok((journal, found)) => {
                assert_eq!(journal.disk.file, bytes[..found.length as usize]);
                Ok(found)
            }
            Err(error) => Err(error.downcast().expect("no other error")),
        }
    }

    /// Where the last line begins.
    fn last_line(bytes: &[u8]) -> usize {
        let mut breaks = bytes.iter().rev().skip(1);
        let behind = breaks.position(|&byte| byte == b'\n');
        bytes.len() - 1 - behind.expect("a line before it")
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
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "64771339 {\"journal\":2,\"node\":\"n3\"}",
            "df2ff689 {\"epoch\":17}",
            "f375676d {\"synced\":57}",
        ];
        assert_eq!(lines[..3], expected);
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

    /// What a crash leaves of `bytes`, of which the first `synced` were synced: some
    /// length, and zeros somewhere.
    fn torn(bytes: &[u8], synced: usize) -> impl Iterator<Item = Vec<u8>> {
        let places = move |from: usize, to: usize| (from..=to).step_by(3);
        let cases = places(synced, bytes.len()).flat_map(move |length| {
            places(synced, length)
                .flat_map(move |start| places(start, length).map(move |end| (length, start, end)))
        });
        cases.map(|(length, start, end)| {
            let mut left = bytes[..length].to_vec();
            left[start..end].fill(0);
            left
        })
    }

    #[test]
    fn what_no_sync_covered_is_cut_off_from_the_first_damage_on_however_it_is_torn() {
        let before = journal("n3", &[&[3]]);
        let turn = [items_record(&[4, 5]), items_record(&[6])].concat();
        let whole = [&before[..], &turn].concat();
        for left in torn(&whole, before.len()) {
            let found = read(&left).expect("torn, not damaged");
            let same = whole.iter().zip(&left).take_while(|(a, b)| a == b).count();
            let good = whole[..same].iter().rposition(|&byte| byte == b'\n');
            assert_eq!(found.length, good.map_or(0, |at| at as u64 + 1));
            assert_eq!(found.torn.is_some(), found.length < left.len() as u64);
            assert!([3, 4, 5, 6].starts_with(&values(&found)));
        }
    }

    #[test]
    fn a_first_write_may_be_torn_in_any_way_too() {
        let mut whole = Vec::new();
        write_head(&mut whole, "n3");
        write_epoch(&mut whole, 17);
        whole.extend(items_record(&[3]));
        for left in torn(&whole, 0) {
            let found = read(&left).expect("torn, not damaged");
            assert!(whole.starts_with(&left[..found.length as usize]));
        }
        let mut page = vec![0; 4096];
        page.extend(b"67,68]}\n");
        page.extend(items_record(&[3]));
        let found = read(&page).expect("the first page was not written");
        assert_eq!((found.length, values(&found)), (0, vec![]));
        assert_eq!(
            found.torn.expect("a warning").to_string(),
            "line 1: some of it is zeros; the 4127 bytes from there on are cut off, \
             as no mark says that they were synced"
        );
    }

    #[test]
    fn one_flipped_bit_in_what_a_sync_covered_is_refused_and_one_in_the_last_mark_costs_nothing() {
        let whole = journal("n3", &[&[3], &[4, 5]]);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(found) = read(&bytes) {
                assert!(bit / 8 >= last_line(&whole), "bit {bit}");
                assert!(found.torn.is_some(), "bit {bit}");
                assert_eq!(values(&found), [3, 4, 5], "bit {bit}");
            }
        }
    }

    #[test]
    fn zeros_in_what_a_sync_covered_are_refused_wherever_they_are() {
        let whole = journal("n3", &[&[3], &[4, 5], &[6]]);
        let covered = last_line(&whole);
        for start in 0..covered {
            for end in start + 1..=covered {
                let mut bytes = whole.clone();
                bytes[start..end].fill(0);
                let text = refusal(&bytes);
                assert!(text.ends_with(" says that it was synced"), "{text}");
            }
        }
        let mut bytes = whole.clone();
        bytes[90..95].fill(0);
        assert_eq!(
            refusal(&bytes),
            "line 4: some of it is zeros, and the mark at byte 103 says that it was synced"
        );
    }

    #[test]
    fn a_mark_is_found_behind_damage_that_is_read_in_pieces() {
        let many: Vec<i64> = (1000..1300).collect();
        let mut bytes = journal("n3", &[&many]);
        let (start, mark) = (journal("n3", &[]).len(), last_line(&bytes));
        bytes[start..mark].fill(0);
        for piece in MAX_MARK..3 * MAX_MARK {
            let refused = read_in_pieces(&bytes, Some(piece)).expect_err("refused");
            assert_eq!(refused.line, 4, "{refused}");
        }
    }

    #[test]
    fn only_a_mark_that_stands_where_it_says_is_believed() {
        let mark = mark(57);
        let behind = |front: &[u8], end| mark_at_the_end(&[front, &mark].concat(), end);
        let end = 57 + mark.len() as u64;
        assert_eq!(behind(b"\0\0", end), Some(57));
        assert_eq!(behind(b"3,4]}", end), Some(57));
        assert_eq!(behind(b"", end + 1), None);
        // What a client sends can look like it, as text or as JSON.
        let mut text = Vec::new();
        record(&mut text, |body| {
            let value = String::from_utf8_lossy(&mark);
            body.list("items", [&*value, &*value], json::encode_str);
        });
        let end = |at: usize| 57 + (text.len() - at) as u64;
        assert!((0..text.len()).all(|at| mark_at_the_end(&text, end(at)).is_none()));
    }

    /// The same in the format that had no marks.
    fn without_marks(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        record(&mut out, |body| {
            body.int("journal", WITHOUT_MARKS);
            body.text("node", "n3");
        });
        let lines = bytes.split_inclusive(|&byte| byte == b'\n').skip(1);
        let mark = |line: &&[u8]| line[SUM - 1..].starts_with(MARK);
        out.extend(lines.filter(|line| !mark(line)).flatten());
        out
    }

    #[test]
    fn of_a_journal_without_marks_only_the_last_line_may_be_torn() {
        let old = without_marks(&journal("n3", &[&[3], &[4, 5]]));
        let found = read(&old).expect("a journal");
        assert_eq!((found.epoch, values(&found)), (17, vec![3, 4, 5]));
        let last = last_line(&old);
        for length in last + 1..old.len() {
            let found = read(&old[..length]).expect("torn, not damaged");
            assert_eq!(values(&found), [3]);
        }
        let mut zeros = old.clone();
        zeros[last..last + 3].fill(0);
        assert_eq!(values(&read(&zeros).expect("torn")), [3]);
        let mut bit = old.clone();
        bit[last + 20] ^= 1;
        assert_eq!(refusal(&bit), "line 4: its checksum is wrong");
        let mut earlier = old.clone();
        earlier[last - 5..last - 3].fill(0);
        assert_eq!(refusal(&earlier), "line 3: some of it is zeros");
        // From the first mark on it is like any other.
        let disk = Fake {
            file: old.clone(),
            ..Fake::default()
        };
        let (mut journal, _) = open(disk, "n3", LEAST_LONG).expect("a journal");
        store(&mut journal, &items_record(&[6])).expect("stored");
        let mut torn = journal.disk.file;
        torn.extend([items_record(&[7]), items_record(&[8])].concat());
        let place = torn.len() - 40;
        torn[place] = 0;
        assert_eq!(values(&read(&torn).expect("torn")), [3, 4, 5, 6]);
    }

    #[test]
    fn what_is_no_work_of_a_crash_is_refused_with_what_is_wrong() {
        let whole = journal("n3", &[&[3], &[4, 5]]);
        let mut lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
        lines.remove(3);
        assert_eq!(
            refusal(&lines.concat()),
            "line 4: a mark that stands at byte 80 says 103"
        );
        assert_eq!(
            refusal(&journal("n4", &[])),
            "line 1: this is the journal of n4, and the node is n3"
        );
        let nobodys = "line 1: this is no journal, or a damaged one, or another node's";
        assert_eq!(refusal(b"my shopping list\n"), nobodys);
        assert_eq!(refusal(b"my shopping list"), nobodys);
        let mut bytes = Vec::new();
        record(&mut bytes, |body| body.int("journal", 3));
        let text = "line 1: its format is version 3, and this node reads 1 and 2";
        assert_eq!(refusal(&bytes), text);
        let mut bytes = journal("n3", &[]);
        record(&mut bytes, |body| {
            body.list("items", ["x"], json::encode_str)
        });
        assert_eq!(
            refusal(&bytes),
            r#"line 4: "x" is not an integer: is this another workload's journal?"#
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

    /// A journal that was rewritten, and holds these.
    fn rewritten(items: &[i64]) -> Vec<u8> {
        let disk = Fake {
            room: usize::MAX,
            ..Fake::default()
        };
        let (mut journal, _) = open(disk, "n3", 0).expect("a new journal");
        let mut workload = Broadcast::default();
        items.iter().for_each(|item| {
            workload.merge(item);
        });
        let stored = journal.store(&items_record(items), || short_form("n3", 4, &workload));
        assert!(stored.expect("stored").is_none());
        assert_eq!(journal.length, journal.disk.file.len() as u64);
        journal.disk.file
    }

    #[test]
    fn a_short_form_is_synced_as_a_whole_so_all_damage_to_it_is_refused() {
        let whole = rewritten(&[3, 5, 8]);
        assert_eq!(values(&read(&whole).expect("a journal")), [3, 5, 8]);
        let lines = whole.split_inclusive(|&byte| byte == b'\n');
        let start = lines.take(2).flatten().count();
        for length in start + 1..whole.len() {
            let zeros = [&whole[..length], &vec![0; whole.len() - length]].concat();
            let refused = refusal(&zeros);
            assert!(refused.ends_with("synced as a whole"), "{refused}");
        }
        assert_eq!(
            refusal(&whole[..whole.len() - 1]),
            "line 5: it has no end, and a short form is synced as a whole"
        );
        // What comes behind it is like any other turn.
        let torn = [&whole[..], &items_record(&[9])[..20]].concat();
        assert_eq!(values(&read(&torn).expect("torn")), [3, 5, 8]);
    }

    #[test]
    fn a_rewriting_without_room_goes_on_with_the_long_form_and_is_tried_again_when_that_has_doubled()
     {
        let disk = Fake {
            room: 50,
            ..Fake::default()
        };
        let (mut journal, _) = open(disk, "n3", 200).expect("a new journal");
        let mut tried = Vec::new();
        for item in 0..30 {
            if tried.len() == 2 {
                journal.disk.room = 1000;
            }
            let before = journal.length;
            let failed = store(&mut journal, &items_record(&[item])).expect("stored");
            assert!(journal.disk.other.is_none() && !journal.disk.writes_other);
            if failed.is_some() || journal.length < before {
                tried.push((before, failed));
            }
        }
        let (lengths, failed): (Vec<u64>, Vec<_>) = tried.into_iter().unzip();
        let no_room = Some("no room".to_owned());
        assert_eq!(failed[..3], [no_room.clone(), no_room, None]);
        let a_turn = 60;
        for pair in lengths[..3].windows(2) {
            assert!(pair[1].abs_diff(pair[0] * 2) < 2 * a_turn, "{lengths:?}");
        }
    }

    #[test]
    fn what_a_former_rewriting_has_left_is_removed_when_the_journal_is_opened() {
        let disk = Fake {
            file: journal("n3", &[&[3]]),
            other: Some(b"a part".to_vec()),
            ..Fake::default()
        };
        let (journal, found) = open(disk, "n3", LEAST_LONG).expect("a journal");
        assert_eq!(journal.disk.other, None);
        assert_eq!(values(&found), [3]);
    }
}

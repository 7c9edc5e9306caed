//! A disk in memory that can crash: what was synced is there afterwards, and of what
//! was only written any part.
//!
//! | after a crash there is | as on a real disk, because |
//! |---|---|
//! | all that was synced | that is what fsync promises |
//! | of the rest any pages, and zeros in the place of the others | the system writes pages when it suits, in any order |
//! | a length between that of the last sync and that of the last write | a file's length is stored apart from its pages |
//! | after a rename the old file or the new one | the folder is a file, too, and was not synced |
//!
//! A [fuse](Disk::arm) makes the crash come in the middle of a write. There may be [too
//! little room](Disk::limit_room) for a second file.

use std::cell::{RefCell, RefMut};
use std::io;
use std::rc::Rc;

use hubcast::journal;

use crate::world::rng::Rng;

/// What is written at once, so that a crash leaves all of it or nothing.
///
/// Unit: bytes. A page of the system, a sector of the disk, and less than the journals of
/// short lives have: many of these are no longer than a sector.
const PAGES: [usize; 3] = [4096, 512, 16];

/// One node's disk. A clone is the same disk: it outlives the node.
#[derive(Clone, Debug, Default)]
pub struct Disk(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    /// The journal, and the file that will take its place or, until the folder is
    /// synced, has lost it.
    file: File,
    other: Option<File>,
    /// Whether the journal has been renamed and the folder not synced since.
    renamed: bool,
    /// Whether the other file is the one that is written.
    writes_other: bool,
    /// How long the other one may get.
    room: Option<usize>,
    /// How much was read.
    read: usize,
    /// After how many more steps the crash comes.
    fuse: Option<u64>,
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// What the last sync has stored, and how much of it is the same still.
    stored: Vec<u8>,
    same: usize,
}

impl File {
    fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
        self.same = self.same.min(length);
    }

    fn sync(&mut self) {
        self.stored.truncate(self.same);
        self.stored.extend_from_slice(&self.bytes[self.same..]);
        self.same = self.bytes.len();
    }

    /// What a crash leaves of it.
    fn crash(&mut self, rng: &mut Rng) {
        let (old, new) = (self.stored.len(), self.bytes.len());
        let (least, most) = (old.min(new), old.max(new));
        let between = least + rng.below((most - least) as u64 + 1) as usize;
        let length = [old, new, between][rng.below(3) as usize];
        let page = PAGES[rng.below(PAGES.len() as u64) as usize];
        self.stored.resize(length, 0);
        self.bytes.resize(length, 0);
        for start in (self.same / page * page..length).step_by(page) {
            let page = start..length.min(start + page);
            if rng.chance(0.5) {
                self.stored[page.clone()].copy_from_slice(&self.bytes[page]);
            }
        }
        self.bytes.clone_from(&self.stored);
        self.same = length;
    }
}

impl Disk {
    /// The crash comes by itself in so many steps, if the node does so many.
    pub fn arm(&self, steps: u64) {
        self.0.borrow_mut().fuse = Some(steps);
    }

    /// From now on there is room for so many bytes of a second file.
    pub fn limit_room(&self, bytes: usize) {
        self.0.borrow_mut().room = Some(bytes);
    }

    /// The node, or its machine, is no more. `draw` decides what is left of what was
    /// not synced.
    pub fn crash(&self, draw: u64) {
        let state = &mut *self.0.borrow_mut();
        let rng = &mut Rng::new(draw, "what a crash leaves");
        // Without a rename an unfinished other file is still there.
        if state.renamed
            && let Some(old) = state.other.take()
            && rng.chance(0.5)
        {
            state.file = old;
        }
        state.file.crash(rng);
        (state.renamed, state.writes_other) = (false, false);
        (state.read, state.fuse) = (0, None);
    }

    fn step(&mut self) -> io::Result<RefMut<'_, State>> {
        let mut state = self.0.borrow_mut();
        match &mut state.fuse {
            Some(0) => Err(crashed()),
            Some(steps) => {
                *steps -= 1;
                Ok(state)
            }
            None => Ok(state),
        }
    }
}

/// The node has crashed while it wrote.
fn crashed() -> io::Error {
    io::Error::other("the node has crashed")
}

impl State {
    fn written(&mut self) -> &mut File {
        match &mut self.other {
            Some(other) if self.writes_other => other,
            _ => &mut self.file,
        }
    }

    /// Whether what was just written is too much.
    fn is_full(&self) -> bool {
        match (self.room, &self.other) {
            (Some(room), Some(other)) if self.writes_other => other.bytes.len() > room,
            // A second file that nobody needs leaves no room for the first one.
            (Some(_), Some(_)) => true,
            _ => false,
        }
    }
}

impl journal::Disk for Disk {
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let state = &mut *self.0.borrow_mut();
        let rest = &state.file.bytes[state.read..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let end = end.map_or(rest.len(), |end| end + 1);
        line.extend_from_slice(&rest[..end]);
        state.read += end;
        Ok(end > 0)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.step()?.written().truncate(length as usize);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Also where a crash comes in the middle of it, and leaves a part.
        self.0.borrow_mut().written().bytes.extend_from_slice(bytes);
        match self.step()?.is_full() {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()?.written().sync();
        Ok(())
    }

    fn create(&mut self) -> io::Result<()> {
        let mut state = self.step()?;
        state.other = Some(File::default());
        state.writes_other = true;
        Ok(())
    }

    fn discard(&mut self) {
        if let Ok(mut state) = self.step() {
            (state.other, state.writes_other) = (None, false);
        }
    }

    fn rename(&mut self) -> io::Result<()> {
        let state = &mut *self.step()?;
        if let Some(other) = &mut state.other {
            std::mem::swap(other, &mut state.file);
            (state.renamed, state.writes_other) = (true, false);
        }
        Ok(())
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        let mut state = self.step()?;
        if state.renamed {
            (state.other, state.renamed) = (None, false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubcast::journal::Disk as _;

    fn is_full(done: io::Result<()>) -> bool {
        done.is_err_and(|error| error.kind() == io::ErrorKind::StorageFull)
    }

    fn content(disk: &mut Disk) -> String {
        let mut text = Vec::new();
        while disk.read_line(&mut text).expect("no fuse") {}
        String::from_utf8(text).expect("UTF-8")
    }

    /// What a crash leaves of it, for many draws.
    fn left(steps: impl Fn(&mut Disk) -> io::Result<()>) -> Vec<String> {
        let mut all: Vec<String> = (0..1000)
            .map(|draw| {
                let mut disk = Disk::default();
                steps(&mut disk).expect("no fuse");
                disk.crash(draw);
                content(&mut disk)
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn what_was_synced_is_kept_and_of_the_rest_any_pages() {
        let small = left(|disk| {
            disk.append(b"ab\n")?;
            disk.sync()?;
            disk.append(b"cd")
        });
        assert_eq!(small, ["ab\n", "ab\n\0", "ab\n\0\0", "ab\nc", "ab\ncd"]);
        let page = PAGES[0];
        let pages = |pages: &str| -> String {
            let bytes = |page_is: char| match page_is {
                '0' => "\0".repeat(page),
                kept => kept.to_string().repeat(page),
            };
            pages.chars().map(bytes).collect()
        };
        let large = left(|disk| {
            disk.append(pages("a").as_bytes())?;
            disk.sync()?;
            disk.append(pages("bcd").as_bytes())
        });
        assert!(large.iter().all(|left| left.starts_with(&pages("a"))));
        for kept in ["a", "abcd", "a0cd", "ab0d", "abc0", "a00d", "a000"] {
            assert!(large.contains(&pages(kept)), "{kept}");
        }
    }

    #[test]
    fn a_cut_that_was_not_synced_may_be_undone_in_part() {
        let left = left(|disk| {
            disk.append(b"abcd")?;
            disk.sync()?;
            disk.truncate(1)?;
            disk.append(b"x")
        });
        for kept in ["abcd", "ax", "ax\0\0", "ab"] {
            assert!(left.iter().any(|left| left == kept), "{kept:?} in {left:?}");
        }
        assert!(left.iter().all(|left| left.starts_with('a')), "{left:?}");
    }

    #[test]
    fn a_rename_leaves_the_old_file_or_the_new_one_until_the_folder_is_synced() {
        let renamed = |disk: &mut Disk| {
            disk.append(b"old")?;
            disk.sync()?;
            disk.create()?;
            disk.append(b"new")?;
            disk.sync()?;
            disk.rename()
        };
        assert_eq!(left(renamed), ["new", "old"]);
        let synced = |disk: &mut Disk| renamed(disk).and_then(|()| disk.sync_folder());
        assert_eq!(left(synced), ["new"]);
    }

    #[test]
    fn a_second_file_has_as_much_room_as_there_is_and_fills_the_disk_until_it_is_removed() {
        let mut disk = Disk::default();
        disk.limit_room(3);
        disk.append(b"as long as it likes").expect("done");
        disk.create().expect("done");
        disk.append(b"new").expect("done");
        assert!(is_full(disk.append(b"!")));
        disk.crash(0);
        assert!(is_full(disk.append(b"more")));
        disk.discard();
        disk.append(b"more").expect("done");
    }

    #[test]
    fn the_crash_comes_after_as_many_steps_as_the_fuse_is_long() {
        let mut disk = Disk::default();
        disk.arm(2);
        disk.append(b"a").expect("done");
        disk.sync().expect("done");
        assert!(disk.append(b"b").is_err());
        assert!(disk.sync().is_err(), "and nothing comes after it");
    }
}

//! A disk in memory that can crash: what was synced is there afterwards, and of what
//! was only written some beginning.
//!
//! | after a crash there is | as on a real disk, because |
//! |---|---|
//! | all that was synced | that is what fsync promises |
//! | of the rest a beginning, maybe with zeros behind it | a file grows before its blocks are written |
//! | after a rename the old file or the new one | the folder is a file, too, and was not synced |
//!
//! A [fuse](Disk::arm) makes the crash come in the middle of a write.

use std::cell::{RefCell, RefMut};
use std::io;
use std::rc::Rc;

use hubcast::journal;

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
    /// How much was read.
    read: usize,
    /// After how many more steps the crash comes.
    fuse: Option<u64>,
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// How many of these were synced.
    synced: usize,
}

impl File {
    /// What a crash leaves of it.
    fn crash(&mut self, draw: u64) {
        let (length, unsynced) = (self.bytes.len(), self.bytes.len() - self.synced);
        let kept = self.synced + (draw >> 2) as usize % (unsynced + 1);
        self.bytes.truncate(kept);
        if draw & 2 != 0 {
            self.bytes.resize(length, 0);
        }
        self.synced = self.bytes.len();
    }
}

impl Disk {
    /// The crash comes by itself in so many steps, if the node does so many.
    pub fn arm(&self, steps: u64) {
        self.0.borrow_mut().fuse = Some(steps);
    }

    /// The node, or its machine, is no more. `draw` decides what is left of what was
    /// not synced.
    pub fn crash(&self, draw: u64) {
        let state = &mut *self.0.borrow_mut();
        if state.renamed
            && draw & 1 != 0
            && let Some(old) = state.other.take()
        {
            state.file = old;
        }
        state.file.crash(draw);
        (state.other, state.renamed, state.writes_other) = (None, false, false);
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
        let mut state = self.step()?;
        let file = state.written();
        file.bytes.truncate(length as usize);
        file.synced = file.synced.min(file.bytes.len());
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let crash = self.0.borrow().fuse == Some(0);
        self.0.borrow_mut().written().bytes.extend_from_slice(bytes);
        // A crash in the middle of it leaves a part, too.
        if crash {
            Err(crashed())
        } else {
            self.step().map(drop)
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.step()?;
        let file = state.written();
        file.synced = file.bytes.len();
        Ok(())
    }

    fn create(&mut self) -> io::Result<()> {
        let mut state = self.step()?;
        state.other = Some(File::default());
        state.writes_other = true;
        Ok(())
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

    fn content(disk: &mut Disk) -> String {
        let mut text = Vec::new();
        while disk.read_line(&mut text).expect("no fuse") {}
        String::from_utf8(text).expect("UTF-8")
    }

    /// What a crash leaves of it, for many draws.
    fn left(steps: impl Fn(&mut Disk) -> io::Result<()>) -> Vec<String> {
        let mut all: Vec<String> = (0..200)
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
    fn what_was_synced_is_kept_and_of_the_rest_a_beginning() {
        let left = left(|disk| {
            disk.append(b"ab\n")?;
            disk.sync()?;
            disk.append(b"cd")
        });
        let expected = ["ab\n", "ab\n\0\0", "ab\nc", "ab\nc\0", "ab\ncd"];
        assert_eq!(left, expected);
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
    fn the_crash_comes_after_as_many_steps_as_the_fuse_is_long() {
        let mut disk = Disk::default();
        disk.arm(2);
        assert!(disk.append(b"a").and_then(|()| disk.sync()).is_ok());
        assert!(disk.append(b"b").is_err());
        assert!(disk.sync().is_err(), "and nothing comes after it");
    }
}

//! The journal's files: `DIR/<node>.journal`, the lock beside it, and for a moment the
//! new file that takes its place.
//!
//! The lock is the system's, on a file of its own, `DIR/<node>.lock`: the journal is
//! replaced now and then, and a lock on it would stay with the old file. It ends with
//! the process, however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use hubcast::journal::Disk;
use hubcast::stdio::MAX_LINE;

/// The files of one node's journal.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    /// The journal, and the file that will take its place.
    path: PathBuf,
    new: PathBuf,
    /// Written at its end, wherever it is read.
    file: BufReader<File>,
    /// The new file while it is written.
    other: Option<File>,
    /// Held as long as this lives.
    _lock: File,
}

/// Says which file an error is about, and what was tried.
fn named(verb: &'static str, path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| {
        let text = format!("cannot {verb} {}: {error}", path.display());
        io::Error::new(error.kind(), text)
    }
}

impl Files {
    /// The journal of node `node` in `folder`; both are made if they are not there.
    ///
    /// # Errors
    ///
    /// Whatever the file system says; if another process has the journal; if the
    /// node's name cannot be that of a file. The text names the file.
    pub fn open(folder: &Path, node: &str) -> io::Result<Files> {
        if node.starts_with('.') || node.contains(['/', '\0']) {
            return Err(io::Error::other(format!(
                "a node with a journal must have a name that a file may have, not {node}"
            )));
        }
        fs::create_dir_all(folder).map_err(named("make the folder", folder))?;
        let file = |end: &str| folder.join(format!("{node}.{end}"));
        let lock = lock(&file("lock"))?;
        let path = file("journal");
        let opened = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path);
        Ok(Files {
            folder: folder.to_owned(),
            new: file("journal.new"),
            file: BufReader::new(opened.map_err(named("open", &path))?),
            other: None,
            path,
            _lock: lock,
        })
    }

    /// The journal's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is written at present.
    fn written(&self) -> (&File, &Path) {
        match &self.other {
            Some(other) => (other, &self.new),
            None => (self.file.get_ref(), &self.path),
        }
    }
}

fn lock(path: &Path) -> io::Result<File> {
    let file = File::create(path).map_err(named("open", path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other(format!(
            "another process has locked {}: a node's journal is for one process",
            path.display()
        ))),
        Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
            Err(named("lock", path)(error))
        }
        // A file system without locks, too: then nobody is kept from a second process.
        _ => Ok(file),
    }
}

impl Disk for Files {
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        // A file without line breaks is none of ours, and must not fill the memory.
        let mut some = self.file.by_ref().take(MAX_LINE as u64);
        let length = some.read_until(b'\n', line);
        Ok(length.map_err(named("read", &self.path))? > 0)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let file = self.file.get_ref();
        file.set_len(length).map_err(named("cut", &self.path))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, path) = self.written();
        file.write_all(bytes).map_err(named("write", path))
    }

    fn sync(&mut self) -> io::Result<()> {
        let (file, path) = self.written();
        file.sync_data().map_err(named("sync", path))
    }

    fn create(&mut self) -> io::Result<()> {
        let created = File::create(&self.new).map_err(named("open", &self.new));
        self.other = Some(created?);
        Ok(())
    }

    fn discard(&mut self) {
        self.other = None;
        // Mostly there is none. One that cannot be removed is emptied by `create`, or
        // that fails, too, and says why.
        let _ = fs::remove_file(&self.new);
    }

    fn rename(&mut self) -> io::Result<()> {
        fs::rename(&self.new, &self.path).map_err(named("replace", &self.path))?;
        if let Some(other) = self.other.take() {
            self.file = BufReader::new(other);
        }
        Ok(())
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        let folder = File::open(&self.folder).and_then(|folder| folder.sync_all());
        folder.map_err(named("sync", &self.folder))
    }
}

//! The files that a run leaves in `target/runs/<command>/`.
//!
//! | file | holds |
//! |---|---|
//! | `results.json` | the outcome |
//! | `messages.jsonl` | every message and what became of it |
//! | `history.jsonl` | every operation: begun, answered |
//! | `node-logs/n0.log` ... | what each node said on stderr, each line with the time when it was read |
//!
//! A line of `messages.jsonl` is one event, with its time in microseconds since
//! the run began:
//!
//! ```text
//! {"t":105210,"event":"send","id":81,"message":{"src":"n3","dest":"n0","body":{...}}}
//! {"t":205230,"event":"recv","id":81}
//! {"t":205230,"event":"drop","id":82,"why":"partition"}
//! {"t":300000,"event":"cut","kind":"hub","src_dest":[[0,1],[1,0]]}
//! {"t":900000,"event":"heal"}
//! {"t":950000,"event":"kill","kind":"minority","nodes":[3,7]}
//! ```
//!
//! `start`, `pause` and `resume` look like `kill`. A message for a node that is down may
//! be dropped because of that (`"down"`), or received when the node is back.
//!
//! Messages from and to clients take no time and have one line, `send`; of a long
//! answer, such as broadcast's `read_ok`, it says how many values it shows. A duplicated message has two `recv`.
//!
//! A line of a node's log begins with the time in seconds since the run began, as logfmt,
//! too: `t=8.496123 level=warn event=suspect peer=n3 unacked=12`. A real node's line says
//! nothing of time, so that is when the testbed read it.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::nodes::place;
use hubcast::event::Event;
use hubcast::json::{self, Object};
use hubcast::time::Instant;

/// The most that is written to one file of a run.
///
/// Unit: bytes. 20 s of the standard run take about 2 MB. What comes later is
/// left out, and the file's last line says so.
const MAX_FILE: u64 = 1 << 30;

/// A file of lines that stops growing at [`MAX_FILE`].
#[derive(Debug)]
struct LineFile {
    out: BufWriter<File>,
    room: u64,
}

impl LineFile {
    fn create(path: &Path) -> io::Result<LineFile> {
        Ok(LineFile {
            out: BufWriter::new(File::create(path)?),
            room: MAX_FILE,
        })
    }

    fn line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.room == 0 {
            return Ok(());
        }
        let size = line.len() as u64 + 1;
        if size > self.room {
            self.room = 0;
            return self.out.write_all(b"{\"event\":\"truncated\"}\n");
        }
        self.room -= size;
        self.out.write_all(line)?;
        self.out.write_all(b"\n")
    }
}

/// Runs a test with the name of a folder that is its own, and is gone afterwards.
#[cfg(test)]
pub fn in_scratch_folder<T>(run: impl FnOnce(&Path) -> T) -> T {
    use std::sync::atomic::{AtomicUsize, Ordering};
    // Tests run side by side in one process.
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(format!("hubcast-testbed-{process}-{count}"));
    let result = run(&folder);
    let _ = fs::remove_dir_all(&folder);
    result
}

/// The run's folder and its open files.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    messages: LineFile,
    history: LineFile,
}

impl Recording {
    /// Makes the folder anew: files of an earlier run of the command go.
    ///
    /// # Errors
    ///
    /// Whatever the file system says, with the folder's name.
    pub fn create(folder: &Path) -> io::Result<Recording> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", place(folder)));
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(named(error)),
            _ => {}
        }
        fs::create_dir_all(folder.join("node-logs")).map_err(named)?;
        Ok(Recording {
            folder: folder.to_owned(),
            messages: LineFile::create(&folder.join("messages.jsonl")).map_err(named)?,
            history: LineFile::create(&folder.join("history.jsonl")).map_err(named)?,
        })
    }

    /// A node in memory has noticed something: a line of its log.
    pub fn log(&self, now: Instant, node: &str, event: &Event) -> io::Result<()> {
        let path = crate::nodes::log_path(&self.folder, node);
        let mut log = File::options().append(true).create(true).open(path)?;
        writeln!(log, "{}{event}", crate::nodes::stamp(now))
    }

    /// A message is sent. `line` is its JSON, without a line break.
    pub fn send(&mut self, now: Instant, id: u64, line: &[u8]) -> io::Result<()> {
        self.event(now, "send", |event| {
            event.int("id", id as i64);
            event.field("message").extend_from_slice(line);
        })
    }

    /// A message is delivered.
    pub fn recv(&mut self, now: Instant, id: u64) -> io::Result<()> {
        self.event(now, "recv", |event| event.int("id", id as i64))
    }

    /// A message is gone: by `"loss"`, by a `"partition"`, or since its node is `"down"`.
    pub fn dropped(&mut self, now: Instant, id: u64, why: &'static str) -> io::Result<()> {
        self.event(now, "drop", |event| {
            event.int("id", id as i64);
            event.word("why", why);
        })
    }

    /// The network is cut.
    pub fn cut(
        &mut self,
        now: Instant,
        kind: &'static str,
        directions: &[(usize, usize)],
    ) -> io::Result<()> {
        self.event(now, "cut", |event| {
            event.word("kind", kind);
            event.list("src_dest", directions, |&(src, dest), out| {
                json::list(out, [src as i64, dest as i64], json::encode_int);
            });
        })
    }

    /// The network is healed.
    pub fn heal(&mut self, now: Instant) -> io::Result<()> {
        self.event(now, "heal", |_| ())
    }

    /// Nodes are killed, started, paused or resumed.
    pub fn nodes(
        &mut self,
        now: Instant,
        event: &'static str,
        kind: &'static str,
        nodes: &[usize],
    ) -> io::Result<()> {
        self.event(now, event, |event| {
            event.word("kind", kind);
            event.list("nodes", nodes, |&node, out| {
                json::encode_int(node as i64, out);
            });
        })
    }

    fn event(
        &mut self,
        now: Instant,
        event: &'static str,
        fields: impl FnOnce(&mut Object<'_>),
    ) -> io::Result<()> {
        let mut line = Vec::new();
        json::object(&mut line, |object| {
            object.int("t", now.as_micros() as i64);
            object.word("event", event);
            fields(object);
        });
        self.messages.line(&line)
    }

    /// A client begins an operation, or it ends for the client; `fields` says how.
    pub fn operation(
        &mut self,
        now: Instant,
        client: &str,
        event: &'static str,
        fields: impl FnOnce(&mut Object<'_>),
    ) -> io::Result<()> {
        let mut line = Vec::new();
        json::object(&mut line, |object| {
            object.int("t", now.as_micros() as i64);
            object.text("client", client);
            object.word("event", event);
            fields(object);
        });
        self.history.line(&line)
    }

    /// Writes a whole file of the run.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        fs::write(self.folder.join(name), text)
    }

    /// Writes out what is still in memory.
    pub fn flush(&mut self) -> io::Result<()> {
        self.messages.out.flush()?;
        self.history.out.flush()
    }
}

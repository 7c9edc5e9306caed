//! A journal's disk in memory.

use std::io;

use hubcast::journal::Disk;

/// A file that never fails, and is too short to be rewritten.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub bytes: Vec<u8>,
    read: usize,
}

impl Disk for Memory {
    fn read_line(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        let rest = &self.bytes[self.read..];
        let end = rest.iter().position(|&byte| byte == b'\n');
        let end = end.map_or(rest.len(), |end| end + 1);
        line.extend_from_slice(&rest[..end]);
        self.read += end;
        Ok(end > 0)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.bytes.truncate(length as usize);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn create(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn discard(&mut self) {}

    fn rename(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The checksum of a record.

/// The CRC-32 of IEEE 802.3 (as in gzip and PNG). It finds every error of up to 32
/// bits in a row, and of longer ones all but one in 4 billion.
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

//! The checksums that the client of S3 can make and verify, in the place of the crate `crc-fast`.
//!
//! `crc-fast` sums gigabytes a second, by tables and code for every processor and for CRCs that nobody asks for: half a megabyte
//! of every function that has S3, zipped. What goes to S3 here are files of some kilobytes. So this is what the client calls of
//! it, by the crate `crc`. See ADR 17.

use std::fmt;

use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Table};

static CRC32: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);
static CRC64NVME: Crc<u64, Table<1>> = Crc::<u64, Table<1>>::new(&CRC_64_NVME);

/// A checksum of S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcAlgorithm {
    /// S3's `CRC32`.
    Crc32IsoHdlc,
    /// S3's `CRC32C`.
    Crc32Iscsi,
    /// S3's `CRC64NVME`.
    Crc64Nvme,
}

/// A checksum of what it was given so far.
///
/// ```
/// use crc_fast::{CrcAlgorithm, Digest};
///
/// let mut digest = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
/// digest.update(b"1234");
/// digest.update(b"56789");
/// assert_eq!(digest.finalize(), 0xcbf4_3926);
/// ```
#[derive(Clone)]
pub struct Digest(State);

#[derive(Clone)]
enum State {
    Of32(crc::Digest<'static, u32, Table<1>>),
    Of64(crc::Digest<'static, u64, Table<1>>),
}

impl Digest {
    /// Of nothing.
    #[must_use]
    pub fn new(algorithm: CrcAlgorithm) -> Self {
        Self(match algorithm {
            CrcAlgorithm::Crc32IsoHdlc => State::Of32(CRC32.digest()),
            CrcAlgorithm::Crc32Iscsi => State::Of32(CRC32C.digest()),
            CrcAlgorithm::Crc64Nvme => State::Of64(CRC64NVME.digest()),
        })
    }

    /// Adds these bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Of32(digest) => digest.update(bytes),
            State::Of64(digest) => digest.update(bytes),
        }
    }

    /// The checksum; one of 32 bits in the lower half.
    #[must_use]
    pub fn finalize(&self) -> u64 {
        match &self.0 {
            State::Of32(digest) => digest.clone().finalize().into(),
            State::Of64(digest) => digest.clone().finalize(),
        }
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({:#x})", self.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: CrcAlgorithm, parts: &[&[u8]]) -> u64 {
        let mut digest = Digest::new(algorithm);
        parts.iter().for_each(|part| digest.update(part));
        digest.finalize()
    }

    /// Cargo warns, and no more, where a patch does not fit what is asked for.
    #[test]
    fn nobody_has_the_other_crate() {
        let lock = include_str!("../../../Cargo.lock");
        let of_this_name: Vec<_> = lock.split("[[package]]").filter(|it| it.contains("name = \"crc-fast\"")).collect();
        assert_eq!(of_this_name.len(), 1);
        assert!(!of_this_name[0].contains("source = "), "{}", of_this_name[0]);
    }

    /// The check values of the catalogue of CRCs, <https://reveng.sourceforge.io/crc-catalogue/all.htm>.
    #[test]
    fn each_is_the_one_it_is_called() {
        for (algorithm, check) in [
            (CrcAlgorithm::Crc32IsoHdlc, 0xcbf4_3926),
            (CrcAlgorithm::Crc32Iscsi, 0xe306_9283),
            (CrcAlgorithm::Crc64Nvme, 0xae8b_1486_0a79_9888),
        ] {
            assert_eq!(sum(algorithm, &[b"123456789"]), check, "{algorithm:?}");
            assert_eq!(sum(algorithm, &[b"1", b"", b"2345678", b"9"]), check, "{algorithm:?}");
            assert_ne!(sum(algorithm, &[]), check);
        }
    }
}

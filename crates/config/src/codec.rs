//! Bytes of a [`BootConfig`]: magic, version, then postcard. The command line carries its kernel inside, so a
//! mismatch means that somebody paired them by hand: it is said clearly and nothing is guessed.

use alloc::vec::Vec;
use core::fmt;

use crate::BootConfig;

const MAGIC: [u8; 8] = *b"fncall\0\x01";

/// Version of the encoding. Raise it with every change of [`BootConfig`] or a type in it.
pub const VERSION: u32 = 1;

const PREFIX_LEN: usize = MAGIC.len() + size_of_val(&VERSION);

/// Why bytes are not a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigError {
    /// They do not begin like one.
    NotAConfig,
    /// Written by another version; holds the one found.
    WrongVersion(u32),
    /// Right version, but cut off or garbled.
    Malformed,
    /// A value that the encoding cannot hold.
    Unencodable,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAConfig => f.write_str("not a boot configuration: is this kernel started by fncall?"),
            Self::WrongVersion(found) => write!(
                f,
                "the boot configuration has version {found}, this kernel reads {VERSION}: command line and \
                 kernel are not of one build"
            ),
            Self::Malformed => f.write_str("the boot configuration is cut off or garbled"),
            Self::Unencodable => f.write_str("the boot configuration holds what cannot be handed over"),
        }
    }
}

impl core::error::Error for ConfigError {}

impl BootConfig {
    /// The bytes to hand over.
    ///
    /// # Errors
    /// [`ConfigError::Unencodable`] when a field's type has no encoding.
    pub fn encode(&self) -> Result<Vec<u8>, ConfigError> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        postcard::to_extend(self, bytes).map_err(|_| ConfigError::Unencodable)
    }

    /// Read what [`encode`](Self::encode) wrote.
    pub fn decode(bytes: &[u8]) -> Result<Self, ConfigError> {
        let (prefix, body) = bytes.split_first_chunk::<PREFIX_LEN>().ok_or(ConfigError::NotAConfig)?;
        let (magic, version) = prefix.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(ConfigError::NotAConfig);
        }
        let mut number = [0; 4];
        number.copy_from_slice(version);
        match u32::from_le_bytes(number) {
            VERSION => {}
            other => return Err(ConfigError::WrongVersion(other)),
        }
        match postcard::take_from_bytes(body) {
            Ok((config, [])) => Ok(config),
            _ => Err(ConfigError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;
    use alloc::vec;

    use super::*;
    use crate::{LogLevel, StatsTarget};

    fn config() -> BootConfig {
        BootConfig {
            program: b"sh".to_vec(),
            argv: vec![b"sh".to_vec(), b"\xff\xfe not utf-8".to_vec(), vec![]],
            envp: vec![b"PATH=/bin".to_vec()],
            root: Some(b"/srv/tree".to_vec()),
            writable: vec![b"/out".to_vec()],
            workdir: b"/".to_vec(),
            aslr: true,
            strict: false,
            stats: Some(StatsTarget::Descriptor(7)),
            log: LogLevel::Trace,
            upper_limit_bytes: Some(u64::MAX),
        }
    }

    #[test]
    fn decode_gives_back_what_was_encoded() {
        assert_eq!(BootConfig::decode(&config().encode().unwrap()), Ok(config()));
    }

    #[test]
    fn every_cut_is_refused() {
        let bytes = config().encode().unwrap();
        for len in 0..bytes.len() {
            let expected = if len < PREFIX_LEN { ConfigError::NotAConfig } else { ConfigError::Malformed };
            assert_eq!(BootConfig::decode(&bytes[..len]), Err(expected), "{len}");
        }
        assert_eq!(BootConfig::decode(&[&bytes[..], b"x"].concat()), Err(ConfigError::Malformed));
    }

    #[test]
    fn other_version_is_named() {
        let mut bytes = config().encode().unwrap();
        bytes[MAGIC.len()] = 77;
        let error = BootConfig::decode(&bytes).unwrap_err();
        assert_eq!(error, ConfigError::WrongVersion(77));
        assert!(error.to_string().contains("version 77"));
        bytes[0] = b'F';
        assert_eq!(BootConfig::decode(&bytes), Err(ConfigError::NotAConfig));
    }
}

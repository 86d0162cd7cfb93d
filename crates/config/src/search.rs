//! Where a program named without a slash may lie: the look-up along `PATH`, as execvp(3) does it. Only the
//! names are made here; the kernel tries them in the program's own tree.

use alloc::vec::Vec;

use crate::BootConfig;

/// Searched when the environment has no `PATH`, as in glibc.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

impl BootConfig {
    /// The paths to try, in order, until one executes.
    ///
    /// As execvp(3): a failure with `ENOENT`, `ENOTDIR` or `EACCES` goes on to the next, `EACCES` being
    /// remembered for the end (exit code 126 instead of 127); any other ends the search. A name with a slash
    /// is its own only candidate, an empty one has none.
    #[must_use]
    pub fn candidates(&self) -> Vec<Vec<u8>> {
        if self.program.is_empty() {
            return Vec::new();
        }
        if self.program.contains(&b'/') {
            return [self.program.clone()].into();
        }
        let path = self.envp.iter().find_map(|entry| entry.strip_prefix(b"PATH=")).unwrap_or(DEFAULT_PATH);
        path.split(|&b| b == b':')
            .map(|directory| match directory {
                // An empty element is the current directory.
                [] => self.program.clone(),
                _ => [directory, b"/", &self.program].concat(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::LogLevel;

    fn candidates(program: &[u8], envp: &[&[u8]]) -> Vec<Vec<u8>> {
        BootConfig {
            program: program.to_vec(),
            argv: vec![],
            envp: envp.iter().map(|entry| entry.to_vec()).collect(),
            root: None,
            writable: vec![],
            workdir: b"/".to_vec(),
            aslr: true,
            strict: false,
            stats: None,
            log: LogLevel::default(),
            upper_limit_bytes: None,
        }
        .candidates()
    }

    #[test]
    fn name_with_a_slash_is_not_looked_up() {
        for name in [b"/bin/sh".as_slice(), b"./sh", b"a/b"] {
            assert_eq!(candidates(name, &[b"PATH=/bin"]), [name]);
        }
        assert!(candidates(b"", &[b"PATH=/bin"]).is_empty());
    }

    #[test]
    fn path_is_tried_in_order_and_empty_means_here() {
        let found = candidates(b"sh", &[b"XPATH=/no", b"PATH=/a::/b/:"]);
        assert_eq!(found, [b"/a/sh".as_slice(), b"sh", b"/b//sh", b"sh"]);
        assert_eq!(candidates(b"sh", &[b"PATH="]), [b"sh"]);
    }

    #[test]
    fn without_path_the_default_of_libc_is_searched() {
        assert_eq!(candidates(b"sh", &[]), [b"/bin/sh".as_slice(), b"/usr/bin/sh"]);
    }
}

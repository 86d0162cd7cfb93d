//! The kernel image inside this executable, and how this process becomes it.
//!
//! ```text
//!   fncall run …          kernel image
//!   ┌──────────┐          ┌────────────────────────────────┐
//!   │ image ───┼─────────►│ argv: "fncall", "<descriptor>" │
//!   │ config ──┼─────────►│ <descriptor>: memfd, encoded   │
//!   └──────────┘          └────────────────────────────────┘
//! ```
//!
//! The image is mapped from this executable's own file and jumped to (`host::launch`): no copy is made, and all
//! instances share the host's page cache. Where that cannot be, it is executed: from a memfd, so that nothing is left
//! on any disk, or, where the host does not execute those (`vm.memfd_noexec`, a security module), from an unnamed
//! temporary file.

use std::convert::Infallible;
use std::env;
use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use config::BootConfig;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::execveat;

use crate::boot::keep_open;
use crate::carrier;
use crate::error::CliError;

/// The kernel image, as the build script made it.
pub static KERNEL: &[u8] = &OnPages(*include_bytes!(env!("FNCALL_IMAGE_FILE"))).0;

/// Aligned such that it can be mapped from this executable's file.
#[repr(align(4096))]
struct OnPages<T>(T);

/// Replace this process by `image`, which finds `config` in a memfd. Returns only with an error.
///
/// The image gets an empty environment: the program's is in the configuration.
pub fn launch(image: &[u8], config: &BootConfig) -> Result<Infallible, CliError> {
    let descriptor = config_file(config)
        .map_err(|source| CliError::HandOver { step: "cannot hand over the configuration", source })?;
    become_image(image, &descriptor.to_string())
}

/// Replace this process by `image`, which prints its system-call table. Returns only with an error.
pub fn list_syscalls(image: &[u8]) -> Result<Infallible, CliError> {
    become_image(image, config::LIST_SYSCALLS)
}

fn become_image(image: &[u8], argument: &str) -> Result<Infallible, CliError> {
    let argv = ["fncall", argument].map(|arg| CString::new(arg).unwrap_or_default());

    if std::ptr::eq(image, KERNEL)
        && let Some((file, offset)) = carrier::locate(image.as_ptr() as usize, image)
    {
        // What it answers is that it cannot be; the other ways remain.
        host::launch::in_place(file, offset, image, [&argv[0], &argv[1]]);
    }
    // Refusals of the first way are worth trying another; what the last one says is told.
    let refused = |errno: Option<i32>| matches!(errno, Some(libc::EACCES | libc::EPERM | libc::ENOSYS));
    let mut error = match image_in_memory(image) {
        Ok(file) => execute(&file, &argv),
        Err(error) => error,
    };
    for directory in temporary_directories() {
        if !refused(error.raw_os_error()) {
            break;
        }
        match image_in_directory(image, &directory) {
            Ok(file) => error = execute(&file, &argv),
            // A directory that cannot hold it says nothing about the host's refusal.
            Err(_) => continue,
        }
    }
    Err(CliError::HandOver { step: "cannot start the kernel image", source: error })
}

fn execute(image: &impl AsFd, argv: &[CString]) -> io::Error {
    match execveat(image, c"", argv, &[] as &[&CStr], AtFlags::AT_EMPTY_PATH) {
        Ok(never) => match never {},
        Err(errno) => errno.into(),
    }
}

/// The encoded configuration, in a descriptor that survives `exec`.
fn config_file(config: &BootConfig) -> io::Result<i32> {
    let bytes = config.encode().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let mut file = File::from(memfd_create(c"fncall-config", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&bytes)?;
    let descriptor = file.as_raw_fd();
    if descriptor > libc::STDERR_FILENO {
        nix::fcntl::fcntl(&file, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
        std::mem::forget(file);
        return Ok(descriptor);
    }
    keep_open(file.into())
}

fn image_in_memory(image: &[u8]) -> io::Result<OwnedFd> {
    // Hosts before 6.3 do not know the flag and need none.
    let executable = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    let file = match memfd_create(c"fncall-kernel", MFdFlags::MFD_CLOEXEC | executable) {
        Err(Errno::EINVAL) => memfd_create(c"fncall-kernel", MFdFlags::MFD_CLOEXEC),
        other => other,
    }?;
    let mut file = File::from(file);
    file.write_all(image)?;
    Ok(file.into())
}

/// Where an unnamed executable file may be possible.
fn temporary_directories() -> Vec<PathBuf> {
    let named = ["XDG_RUNTIME_DIR", "TMPDIR"].into_iter().filter_map(env::var_os).map(PathBuf::from);
    named.chain(["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from)).collect()
}

fn image_in_directory(image: &[u8], directory: &Path) -> io::Result<OwnedFd> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o700)
        .custom_flags(libc::O_TMPFILE)
        .open(directory)?;
    file.write_all(image)?;
    // A file that is open for writing cannot be executed, so open it again before closing it.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    File::open(path).map(OwnedFd::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn image_in_a_directory_is_whole_and_can_be_executed() {
        let image = std::fs::read("/bin/true").unwrap();
        let file = image_in_directory(&image, &env::temp_dir()).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mut bytes = Vec::new();
        File::from(file.try_clone().unwrap()).read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, image);
        // The descriptor is close-on-exec, yet the path is resolved before that.
        assert!(std::process::Command::new(path).status().unwrap().success());
    }

    #[test]
    fn embedded_kernel_is_an_elf_image() {
        assert_eq!(&KERNEL[..5], b"\x7fELF\x02");
    }
}

//! Builds the freestanding kernel image with a cargo of its own and hands its path to the compiler, which
//! embeds it (`src/image.rs`).
//!
//! A second cargo, because the image needs another panic strategy and no libc. It builds into `kernel-image`
//! beside the profile directories of this build, so that every profile embeds the same image and the lock
//! that the outer cargo holds on its own directory does not matter. What is left there has all symbols, for
//! gdb and perf; what is embedded is cut down to the bytes that get mapped, because a page of it costs
//! memory in every instance.
//!
//! `FNCALL_IMAGE=FILE` embeds that file as it is, without building anything.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The only target the image exists for; it is not the outer build's, which may be musl.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    println!("cargo:rerun-if-env-changed=FNCALL_IMAGE");
    println!("cargo:rerun-if-changed=build.rs");
    let image = match env::var_os("FNCALL_IMAGE") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.is_absolute(), "FNCALL_IMAGE must be an absolute path: {}", path.display());
            println!("cargo:rerun-if-changed={}", path.display());
            path
        }
        None => {
            let built = build();
            let bytes = fs::read(&built).unwrap_or_else(|e| panic!("cannot read {}: {e}", built.display()));
            let image = Path::new(&var("OUT_DIR")).join("fncall-kernel");
            fs::write(&image, mapped_bytes(bytes))
                .unwrap_or_else(|e| panic!("cannot write {}: {e}", image.display()));
            image
        }
    };
    println!("cargo:rustc-env=FNCALL_IMAGE_FILE={}", image.display());
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|e| panic!("cargo did not set {name}: {e}"))
}

/// Build the image; the path of the result.
fn build() -> PathBuf {
    let own = PathBuf::from(var("CARGO_MANIFEST_DIR"));
    let crates = own.parent().expect("this crate lies in crates/");
    let workspace = crates.parent().expect("crates/ lies in the workspace");
    watch(workspace, crates, &own);

    // OUT_DIR is TARGET_DIR[/TRIPLE]/PROFILE/build/fncall-cli-HASH/out.
    let out = PathBuf::from(var("OUT_DIR"));
    let target_dir = out.ancestors().nth(4).unwrap_or(&out).join("kernel-image");

    let mut cargo = Command::new(var("CARGO"));
    cargo
        .current_dir(workspace)
        .args(["build", "--package=fncall-image", "--bin=fncall-kernel", "--features=freestanding"])
        .args(["--profile=image", "--target", TARGET])
        // The outer cargo has just settled the lock file.
        .arg("--locked")
        .arg("--target-dir")
        .arg(&target_dir);
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_this_build(name)) {
        cargo.env_remove(name);
    }
    // Set, not removed: an empty list also keeps out the flags of configuration files. Flags for the command
    // line (coverage, sanitizers, a static libc) do not suit the image; its own are in its build script.
    cargo.env("CARGO_ENCODED_RUSTFLAGS", "");

    let status = cargo.status().unwrap_or_else(|e| panic!("cannot start cargo for the kernel image: {e}"));
    assert!(status.success(), "building the kernel image failed ({status}); its messages are above");
    target_dir.join(TARGET).join("image/fncall-kernel")
}

/// Variables that describe this build script's own crate and build. Passed on, they would change the inner
/// build with every profile, feature or tool of the outer one. The workspace wrapper is clippy's.
fn is_of_this_build(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let prefixes = ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BUILD_", "DEP_"];
    let names = [
        "CARGO_TARGET_DIR",
        "CARGO_PRIMARY_PACKAGE",
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTFLAGS",
        "TARGET",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

/// Run again when anything the image is made of changes. The inner cargo knows better what to rebuild, so
/// too much is only a moment lost; tests and benchmarks are left out because they change most often.
fn watch(workspace: &Path, crates: &Path, own: &Path) {
    let watch = |path: PathBuf| {
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    };
    watch(workspace.join("Cargo.toml"));
    watch(workspace.join("Cargo.lock"));
    let entries = fs::read_dir(crates).unwrap_or_else(|e| panic!("cannot list {}: {e}", crates.display()));
    for path in entries.map(|entry| entry.expect("a directory entry").path()).filter(|path| path != own) {
        for part in ["src", "build.rs", "Cargo.toml", "image.ld"] {
            watch(path.join(part));
        }
    }
}

/// The image without what is never mapped (symbols, debug information, section table), which all lies behind
/// the last segment.
fn mapped_bytes(mut elf: Vec<u8>) -> Vec<u8> {
    let word = |at: usize| u64::from_le_bytes(elf[at..at + 8].try_into().expect("eight bytes"));
    let half = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
    assert!(elf.len() > 64 && elf.starts_with(b"\x7fELF\x02"), "the kernel image is not a 64-bit ELF file");
    // elf(5): e_phoff at 32, e_phnum at 56; in each 56-byte header p_offset at 8 and p_filesz at 32.
    let (phoff, phnum) = (word(32) as usize, half(56));
    let headers = (0..phnum).map(|i| phoff + i * 56);
    let end = headers.map(|at| word(at + 8) + word(at + 32)).max().expect("at least one program header");
    elf.truncate(usize::try_from(end).expect("a small file").max(phoff + phnum * 56));
    elf[40..48].fill(0); // e_shoff
    elf[60..64].fill(0); // e_shnum, e_shstrndx
    elf
}

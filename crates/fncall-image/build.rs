//! Links the kernel image: no libc, no start files, not relocatable, at the address `host::layout` says.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=image.ld");
    // The addresses.
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{}/image.ld", env!("CARGO_MANIFEST_DIR"));
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,-z,noexecstack",
        "-Wl,-z,norelro",
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}

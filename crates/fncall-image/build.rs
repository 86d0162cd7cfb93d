//! Links the kernel image: no libc, no start files, not relocatable, at the address `host::layout` says.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for arg in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        // `host::layout::KERNEL_START`.
        "-Wl,--image-base=0x400000000000",
        "-Wl,-z,noexecstack",
        "-Wl,-z,norelro",
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
    ] {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}

//! Tools that read programs, the compiler proper, and programs compiled here in every way of linking.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};

use fncall_tests::case::Case;
use fncall_tests::cc::{self, CompileError, Flavor};
use fncall_tests::suite;

use crate::{Collection, garden, host};

pub fn binaries(all: &mut Collection) {
    all.lines(
        "file",
        "file",
        &[
            (
                "kinds",
                &[
                    "words",
                    "bytes",
                    "empty",
                    "dir",
                    "link",
                    "dangling",
                    "/bin/ls",
                    "/bin/busybox",
                    "/dev/null",
                ],
            ),
            ("mime", &["-i", "a.txt", "/bin/ls"]),
        ],
    );
    all.lines(
        "readelf",
        "readelf",
        &[
            ("all", &["-aW", "/bin/ls"]),
            ("symbols", &["-Ws", "/lib/x86_64-linux-gnu/libc.so.6"]),
            ("not-elf", &["-h", "words"]),
        ],
    );
    all.lines(
        "objdump",
        "objdump",
        &[("disassemble", &["-d", "/bin/true"]), ("headers", &["-x", "/bin/cat"])],
    );
    all.lines("strings", "strings", &[("ls", &["-n", "8", "/bin/ls"])]);
    all.lines("nm", "nm", &[("dynamic", &["-D", "/lib/x86_64-linux-gnu/libm.so.6"])]);
    const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";
    // The loader prints addresses, which differ with every run.
    all.add(Case::new("ld.so::verify", [LOADER, "--verify", "/bin/ls"]));
    all.add(Case::new("ld.so::run", [LOADER, "/bin/echo", "by the loader"]));
    all.add(Case::new("ld.so::help", [LOADER, "--help"]));
    all.add(Case::new("ld.so::list-tunables", [LOADER, "--list-tunables"]));
    all.add(Case::new("ld.so::list-without-addresses", [LOADER, "--list", "/bin/busybox"]));
    all.add(Case::new("ld.so::missing-library", [LOADER, "/no/such/program"]));
    all.add(Case::new("ld.so::statistics", ["/bin/true"]).env("LD_BIND_NOW", "1"));
    all.add(Case::new("getent::passwd", ["getent", "passwd", "root"]));
    all.add(Case::new("locale::all", ["locale"]));
    all.add(Case::new("iconv::latin1", ["iconv", "-f", "UTF-8", "-t", "LATIN1"]).stdin("caf\u{e9}\n"));
    all.add(
        Case::new("as::assemble", ["as", "-o", "out.o", "in.s"])
            .needs(&["readelf"])
            .file("in.s", ".text\n.globl f\nf: mov $1, %eax\n ret\n")
            .write(),
    );
    all.both(
        |n| {
            Case::new(n, ["ld", "-o", "prog", "in.o"])
                .needs(&["gcc"])
                .file("in.s", ".globl _start\n_start: mov $60, %eax\n xor %edi, %edi\n syscall\n")
                .setup(|dir| host(dir, &["as", "-o", "in.o", "in.s"]))
        },
        "ld::link",
    );
    if let Some(cc1) = cc1() {
        all.both(
            move |n| {
                Case::new(
                    n,
                    [
                        cc1.as_str(),
                        "-quiet",
                        "-O2",
                        "-I",
                        "/usr/include/x86_64-linux-gnu",
                        "real.c",
                        "-o",
                        "real.s",
                    ],
                )
                .needs(&["gcc"])
                .setup(|dir| fs::copy(cc::sources().join("../bench/ops.c"), dir.join("real.c")).map(drop))
            },
            "cc1::real-source",
        );
    }
}

/// Where gcc keeps the compiler proper.
fn cc1() -> Option<String> {
    let output = Command::new("gcc").arg("-print-prog-name=cc1").stderr(Stdio::null()).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    path.starts_with('/').then_some(path)
}

pub fn compiled(all: &mut Collection) {
    // One oracle program in every way of linking; `oracle` goes through them all in two or three.
    let source = cc::sources().join("start.c");
    for flavor in [
        Flavor::Glibc,
        Flavor::GlibcStatic,
        Flavor::GlibcStaticPie,
        Flavor::GlibcNoPie,
        Flavor::MuslStatic,
        Flavor::MuslDynamic,
    ] {
        let name = format!("compiled::{}", flavor.name());
        match cc::compile(&source, flavor, &[]) {
            Ok(program) => {
                for section in
                    ["auxv_entries", "auxv_truth", "thread_local", "vdso_works", "exit_runs_handlers"]
                {
                    all.add(
                        Case::new(
                            format!("{name}-{section}"),
                            [program.clone().into_os_string(), section.into()],
                        )
                        .needs(&["gcc"]),
                    );
                }
            }
            Err(CompileError::Missing(package)) => {
                all.trials.push(suite::skipped(name, format!("needs {package}")))
            }
            Err(CompileError::Failed(why)) => all.trials.push(suite::broken(name, why)),
        }
    }
    const RUST: &str = r#"
use std::{collections::BTreeMap, env, fs, io::{self, BufRead, Write}};
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("{:?}", env::args().skip(1).collect::<Vec<_>>());
    let mut words: BTreeMap<String, usize> = BTreeMap::new();
    for line in io::BufReader::new(fs::File::open("words")?).lines() { for w in line?.split(' ') { *words.entry(w.to_owned()).or_default() += 1; } }
    for (w, n) in words.iter().filter(|(_, n)| **n > 1) { println!("{w} {n}"); }
    fs::create_dir_all("made/here")?;
    fs::write("made/here/f", "content")?;
    fs::rename("made/here/f", "made/g")?;
    let mut names: Vec<_> = fs::read_dir(".")?.map(|e| e.map(|e| e.file_name())).collect::<Result<_, _>>()?;
    names.sort();
    println!("{names:?} {:?} {:?}", fs::read_to_string("made/g")?, fs::read_to_string("missing").map_err(|e| e.kind()));
    io::stdout().flush()?;
    let v: Vec<u64> = (0..1_000_000).map(|i| i * i % 7919).collect();
    println!("{}", v.iter().sum::<u64>());
    std::panic::set_hook(Box::new(|_| eprintln!("panicked")));
    println!("{:?}", std::panic::catch_unwind(|| { let z: Vec<u8> = vec![]; z[1] }).is_err());
    std::process::exit(v.len() as i32 % 100 + 6);
}
"#;
    for (name, flags) in [
        ("rust::dynamic", &["-O"][..]),
        ("rust::static-pie", &["-O", "-Ctarget-feature=+crt-static", "-Crelocation-model=pie"]),
        ("rust::static", &["-O", "-Ctarget-feature=+crt-static", "-Crelocation-model=static"]),
    ] {
        match rust_program(name, RUST, flags) {
            Ok(program) => all.both(
                |full| garden(Case::new(full, [program.clone(), "an".into(), "argument".into()])),
                name,
            ),
            Err(why) => all.trials.push(suite::broken(name, why)),
        }
    }
}

/// Compiles a Rust program once per content.
fn rust_program(name: &str, source: &str, flags: &[&str]) -> Result<OsString, String> {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(source.as_bytes());
    hasher.write(flags.join(" ").as_bytes());
    let dir = fncall_tests::subject::target_dir().join("tests-c/rust");
    fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
    let stem = format!("{}-{:016x}", name.replace("::", "-"), hasher.finish());
    let program = dir.join(&stem);
    if !program.exists() {
        let text = dir.join(format!("{stem}.rs"));
        fs::write(&text, source).map_err(|e| e.to_string())?;
        let fresh = dir.join(format!("{stem}.new"));
        let output = Command::new("rustc")
            .args(["--edition=2024", "--crate-name=program"])
            .args(flags)
            .arg("-o")
            .arg(&fresh)
            .arg(&text)
            .output()
            .map_err(|e| format!("rustc: {e}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        fs::rename(&fresh, &program).map_err(|e| e.to_string())?;
    }
    Ok(program.into_os_string())
}

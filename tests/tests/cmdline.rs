//! The command line itself: programs that cannot be run, and what `fncall` says about them.
//!
//! Here the host is no oracle (a shell decides what it prints); the promises are the exit status, one line on
//! standard error that names the file and the reason, and nothing on standard output.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fncall_tests::cc::{self, Flavor};
use fncall_tests::run::{Ending, Job, Outcome, run};
use fncall_tests::suite;

type Check = Box<dyn FnOnce(&Bench) -> Result<(), String> + Send>;

/// What one check has at hand: an empty directory and the binary.
struct Bench {
    dir: PathBuf,
    fncall: PathBuf,
}

fn main() {
    let args = suite::begin();
    let trials = checks()
        .into_iter()
        .map(|(name, check)| {
            suite::check("cmdline", name, None, move |dir, fncall| {
                check(&Bench { dir: dir.to_path_buf(), fncall })
            })
        })
        .collect();
    suite::finish(&args, trials);
}

impl Bench {
    fn fncall(&self, args: &[&str]) -> io::Result<Outcome> {
        let mut argv: Vec<OsString> = vec![self.fncall.clone().into()];
        argv.extend(args.iter().map(OsString::from));
        run(&Job { argv: &argv, env: &[], stdin: b"", dir: &self.dir, limit: Duration::from_secs(30) })
    }

    fn run(&self, args: &[&str]) -> io::Result<Outcome> {
        let mut all = vec!["run", "--"];
        all.extend(args);
        self.fncall(&all)
    }

    fn file(&self, name: &str, bytes: &[u8], mode: u32) -> io::Result<String> {
        let path = self.dir.join(name);
        fs::write(&path, bytes)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// What others do to names on the host while a program runs, the program finds a moment later.
    fn sees_host_changes(&self, options: &[&str]) -> Result<(), String> {
        for (name, text) in [("replaced", "old"), ("removed", "x"), ("replacement", "another")] {
            self.file(name, text.as_bytes(), 0o644).map_err(words)?;
        }
        let _ = fs::remove_file(self.dir.join("added"));
        let script = "look() { cat replaced; echo; for f in removed added; do test -e $f && echo $f; done; }
            look; echo .; read line; look; echo .";
        let mut child = Command::new(&self.fncall)
            .arg("run")
            .args(options)
            .args(["--", "sh", "-c", script])
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(words)?;
        let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes".into());
        };
        let mut output = BufReader::new(output);
        let mut part = || -> Result<String, String> {
            let mut text = String::new();
            while !text.ends_with(".\n") {
                if output.read_line(&mut text).map_err(words)? == 0 {
                    return Err(format!("it ended after {text:?}"));
                }
            }
            Ok(text)
        };
        let before = part()?;
        fs::rename(self.dir.join("replacement"), self.dir.join("replaced")).map_err(words)?;
        fs::remove_file(self.dir.join("removed")).map_err(words)?;
        fs::write(self.dir.join("added"), b"").map_err(words)?;
        // Longer than names of the host are believed.
        std::thread::sleep(Duration::from_millis(100));
        input.write_all(b"\n").map_err(words)?;
        let after = part()?;
        child.wait().map_err(words)?;
        if (before.as_str(), after.as_str()) == ("old\nremoved\n.\n", "another\nadded\n.\n") {
            Ok(())
        } else {
            Err(format!("{options:?}: before {before:?}, after {after:?}"))
        }
    }

    /// A file that cannot be run: this status, and one line that has all of `words`.
    fn refused(&self, argv: &[&str], status: i32, words: &[&str]) -> Result<(), String> {
        let outcome = self.run(argv).map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&outcome.stderr);
        let mut wrong = Vec::new();
        if outcome.ending != Ending::Exited(status) {
            wrong.push(format!("expected status {status}, got {:?}", outcome.ending));
        }
        if text.lines().count() != 1 {
            wrong.push(format!("expected one line of error, got {}", text.lines().count()));
        }
        for word in words {
            if !text.contains(word) {
                wrong.push(format!("the message does not say {word:?}"));
            }
        }
        if !outcome.stdout.is_empty() {
            wrong.push(format!("standard output: {:?}", String::from_utf8_lossy(&outcome.stdout)));
        }
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}\nit said: {text}", wrong.join("\n"))) }
    }

    /// A run that may end as it likes, but not by the death, the failure or the silence of the kernel below.
    fn survives(&self, args: &[&str]) -> Result<Outcome, String> {
        let outcome = self.fncall(args).map_err(|e| e.to_string())?;
        match outcome.ending {
            Ending::Exited(code) if code != 125 && code != 101 => Ok(outcome),
            ending => Err(format!("{ending:?}: {}", String::from_utf8_lossy(&outcome.stderr))),
        }
    }

    /// A run that must end like this and print that.
    fn prints(&self, args: &[&str], ending: Ending, stdout: &str) -> Result<(), String> {
        let outcome = self.fncall(args).map_err(|e| e.to_string())?;
        let out = String::from_utf8_lossy(&outcome.stdout);
        if outcome.ending == ending && out == stdout {
            return Ok(());
        }
        Err(format!(
            "expected {ending:?} and {stdout:?}, got {:?} and {out:?}; standard error: {}",
            outcome.ending,
            String::from_utf8_lossy(&outcome.stderr)
        ))
    }
}

/// Runs `tests/c/crash/SOURCE SEED COUNT` for twenty seeds: none ends, hangs or makes itself heard by the kernel.
fn survives_every_seed(b: &Bench, source: &str, flavor: Flavor, count: &str) -> Result<(), String> {
    let source = cc::sources().join("crash").join(source);
    let program = cc::compile(&source, flavor, &["-pthread"]).map_err(|e| format!("{e:?}"))?;
    let program = program.to_string_lossy().into_owned();
    for seed in 1..=20 {
        let seed = seed.to_string();
        let outcome =
            b.survives(&["run", "--", &program, &seed, count]).map_err(|e| format!("seed {seed}: {e}"))?;
        // The program may print anything, so look for the whole words of the kernel, and of family.c.
        let text = String::from_utf8_lossy(&outcome.stderr);
        if text.contains("kernel bug") || text.contains("somebody cannot be killed") {
            return Err(format!("seed {seed}: {text}"));
        }
    }
    Ok(())
}

fn words(e: io::Error) -> String {
    e.to_string()
}

/// The bytes of a small real program.
fn program() -> Result<Vec<u8>, String> {
    fs::read("/bin/true").map_err(words)
}

/// Offset of the first program header of a type.
fn header_of(elf: &[u8], wanted: u32) -> Option<usize> {
    let field = |at: usize, n: usize| {
        let mut bytes = [0; 8];
        bytes[..n].copy_from_slice(&elf[at..at + n]);
        u64::from_le_bytes(bytes) as usize
    };
    let (start, size, count) = (field(32, 8), field(54, 2), field(56, 2));
    (0..count).map(|i| start + i * size).find(|at| field(*at, 4) == wanted as usize)
}

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;

fn patched(offset: usize, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut elf = program()?;
    elf[offset..offset + bytes.len()].copy_from_slice(bytes);
    Ok(elf)
}

fn patched_header(kind: u32, offset: usize, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let elf = program()?;
    let at = header_of(&elf, kind).ok_or("/bin/true lacks a program header")?;
    patched(at + offset, bytes)
}

/// A program of these instructions alone, loaded at 4 MiB (elf(5)).
fn elf(code: &[u8]) -> Vec<u8> {
    let (base, headers) = (0x40_0000u64, 64 + 56u64);
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0".to_vec();
    for word in [base + headers, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    for half in [0u16, 0, 64, 56, 1, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    // PT_LOAD, readable and executable.
    bytes.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let len = headers + code.len() as u64;
    for word in [0, base, base, len, len, 0x1000] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(code);
    bytes
}

fn checks() -> Vec<(&'static str, Check)> {
    let mut list: Vec<(&'static str, Check)> = Vec::new();
    macro_rules! check {
        ($name:ident, $b:ident, $body:expr) => {
            list.push((stringify!($name), Box::new(move |$b: &Bench| -> Result<(), String> { $body })))
        };
    }
    check!(missing_program, b, b.refused(&["/nowhere/prog"], 127, &["/nowhere/prog"]));
    check!(missing_in_path, b, b.refused(&["no-such-program-anywhere"], 127, &["no-such-program-anywhere"]));
    check!(missing_in_directory, b, b.refused(&["./prog"], 127, &["./prog"]));
    check!(below_a_file, b, {
        let path = b.file("f", b"x", 0o755).map_err(words)?;
        b.refused(&[&format!("{path}/x")], 126, &[&path, "directory"])
            .or_else(|_| b.refused(&[&format!("{path}/x")], 127, &[&path, "directory"]))
    });
    check!(directory, b, b.refused(&["/usr"], 126, &["/usr"]));
    check!(not_executable, b, {
        let path = b.file("f", &program()?, 0o644).map_err(words)?;
        b.refused(&[&path], 126, &[&path, "ermission"])
    });
    check!(empty_file, b, {
        let path = b.file("f", b"", 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(text_file, b, {
        let path = b.file("f", b"just text\n", 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path, "ELF"])
    });
    check!(
        host_changes_are_seen,
        b,
        b.sees_host_changes(&[]).and_then(|()| b.sees_host_changes(&["--write", "."]))
    );
    check!(int80_does_not_reach_the_host, b, {
        // exit(42) of the 32-bit calls.
        let path = b
            .file("f", &elf(b"\x31\xc0\xff\xc0\xbb\x2a\x00\x00\x00\xcd\x80\xeb\xfe"), 0o755)
            .map_err(words)?;
        let outcome = b.run(&[&path]).map_err(words)?;
        match outcome.ending {
            // SIGSEGV
            Ending::Exited(139) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    // The host's own pattern must stay as it is, so this is compared with core(5).
    check!(core_files_are_called_by_the_pattern, b, {
        let script = r#"ulimit -c unlimited
            cd "$PWD" && set_to() { printf '%s\n' "$1" > /proc/sys/kernel/core_pattern || echo refused; }
            die() { sh -c 'kill -QUIT $$'; ls; rm -f core* x* ./-*; echo .; }
            set_to core; cat /proc/sys/kernel/core_pattern /proc/sys/kernel/core_uses_pid; die
            set_to 'x.%e.%f.%s.%d.%%.%u'; cat /proc/sys/kernel/core_pattern; die
            set_to 'x%E'; die
            mkdir deep; set_to "$PWD/deep/x%z%"; (cd /; sh -c 'kill -QUIT $$'); ls deep
            set_to '|/bin/cat'; cat /proc/sys/kernel/core_pattern | tail -c 8
            set_to core; echo 1 > /proc/sys/kernel/core_uses_pid; sh -c 'echo $$ > pid; kill -QUIT $$'; ls core.$(cat pid) > /dev/null && echo with its number
            set_to ''; echo 0 > /proc/sys/kernel/core_uses_pid; rm -rf pid core* deep; die
            echo word > /proc/sys/kernel/core_uses_pid || echo refused; echo 1 > /proc/sys/kernel/core_pipe_limit || echo refused"#;
        let expected = "core\n0\ncore\n.\nx.%e.%f.%s.%d.%%.%u\nx.sh.dash.3.1.%.0\n.\nx!usr!bin!dash\n.\nx\nrefused\nep/x%z%\nwith its number\n.\nrefused\nrefused\n";
        b.prints(&["run", "--", "sh", "-c", script], Ending::Exited(0), expected)
    });
    check!(null_device, b, b.refused(&["/dev/null"], 126, &["/dev/null"]));
    check!(symlink_loop, b, {
        symlink("l", b.dir.join("l")).map_err(words)?;
        b.refused(&["./l"], 126, &["./l"]).or_else(|_| b.refused(&["./l"], 127, &["./l"]))
    });
    check!(dangling_link, b, {
        symlink("nowhere", b.dir.join("l")).map_err(words)?;
        b.refused(&["./l"], 127, &["./l"])
    });
    check!(other_architecture, b, {
        let path = b.file("f", &patched(18, &[0xb7, 0])?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path, "architecture"])
    });
    check!(thirty_two_bit, b, {
        let mut elf = patched(18, &[3, 0])?;
        elf[4] = 1;
        let path = b.file("f", &elf, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(object_file, b, {
        let path = b.file("f", &patched(16, &[1, 0])?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    // Truncation anywhere: never a crash, never a program.
    for (name, length) in [
        ("truncated_magic", 4),
        ("truncated_header", 40),
        ("truncated_program_headers", 100),
        ("truncated_one_page", 4096),
    ] {
        list.push((
            name,
            Box::new(move |b: &Bench| {
                let path = b.file("f", &program()?[..length], 0o755).map_err(words)?;
                let outcome = b.run(&[&path]).map_err(words)?;
                match outcome.ending {
                    Ending::Exited(126) if outcome.stderr.split(|c| *c == b'\n').count() == 2 => Ok(()),
                    // As on Linux, a program whose segments lie beyond the end of the file may start and die.
                    Ending::Exited(135 | 139) if length >= 4096 => Ok(()),
                    other => Err(format!("{other:?}: {}", String::from_utf8_lossy(&outcome.stderr))),
                }
            }),
        ));
    }
    check!(no_program_headers, b, {
        let path = b.file("f", &patched(56, &[0, 0])?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(too_many_program_headers, b, {
        let path = b.file("f", &patched(56, &[0xff, 0xff])?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(odd_program_header_size, b, {
        let path = b.file("f", &patched(54, &[1, 0])?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(program_headers_far_away, b, {
        let path = b.file("f", &patched(32, &u64::MAX.to_le_bytes())?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(segment_wraps_around, b, {
        let path = b
            .file("f", &patched_header(PT_LOAD, 40, &(u64::MAX - 10).to_le_bytes())?, 0o755)
            .map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(segment_huge, b, {
        let path =
            b.file("f", &patched_header(PT_LOAD, 40, &(1u64 << 50).to_le_bytes())?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(segment_file_larger_than_memory, b, {
        let path =
            b.file("f", &patched_header(PT_LOAD, 32, &(1u64 << 40).to_le_bytes())?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(segment_in_kernel_half, b, {
        let path = b
            .file("f", &patched_header(PT_LOAD, 16, &0xffff_8000_0000_0000u64.to_le_bytes())?, 0o755)
            .map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(interpreter_missing, b, {
        let mut elf = program()?;
        let at = header_of(&elf, PT_INTERP).ok_or("/bin/true has no interpreter")?;
        let place = u64::from_le_bytes(elf[at + 8..at + 16].try_into().map_err(|_| "short")?) as usize;
        elf[place..place + 9].copy_from_slice(b"/no/such\0");
        let path = b.file("f", &elf, 0o755).map_err(words)?;
        b.refused(&[&path], 127, &[&path, "/no/such"])
            .or_else(|_| b.refused(&[&path], 126, &[&path, "/no/such"]))
    });
    check!(interpreter_is_text, b, {
        let mut elf = program()?;
        let at = header_of(&elf, PT_INTERP).ok_or("/bin/true has no interpreter")?;
        let place = u64::from_le_bytes(elf[at + 8..at + 16].try_into().map_err(|_| "short")?) as usize;
        elf[place..place + 12].copy_from_slice(b"/etc/passwd\0");
        let path = b.file("f", &elf, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path, "/etc/passwd"])
    });
    check!(interpreter_name_unterminated, b, {
        let path = b.file("f", &patched_header(PT_INTERP, 32, &5u64.to_le_bytes())?, 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(script_interpreter_missing, b, {
        let path = b.file("s", b"#!/no/such/interpreter -x\n", 0o755).map_err(words)?;
        b.refused(&[&path], 127, &[&path, "/no/such/interpreter"])
            .or_else(|_| b.refused(&[&path], 126, &[&path, "/no/such/interpreter"]))
    });
    check!(script_loop, b, {
        let path = b.dir.join("s").to_string_lossy().into_owned();
        b.file("s", format!("#!{path}\n").as_bytes(), 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(script_without_interpreter, b, {
        let path = b.file("s", b"#!\n", 0o755).map_err(words)?;
        b.refused(&[&path], 126, &[&path])
    });
    check!(too_many_arguments, b, {
        // More than the program may have (a quarter of its stack limit), but less than the host lets us pass on.
        let limited = format!("ulimit -S -s 200; exec {} run -- /bin/true $(seq 20000)", b.fncall.display());
        let argv = ["bash", "-c", &limited].map(OsString::from);
        let job = Job { argv: &argv, env: &[], stdin: b"", dir: &b.dir, limit: Duration::from_secs(30) };
        let outcome = run(&job).map_err(words)?;
        match outcome.ending {
            Ending::Exited(126) => Ok(()),
            other => Err(format!("{other:?}: {}", String::from_utf8_lossy(&outcome.stderr))),
        }
    });

    check!(segments_overlap, b, {
        let elf = program()?;
        let first = header_of(&elf, PT_LOAD).ok_or("/bin/true has no segment")?;
        // The second segment at the place of the first.
        let second = first + 56;
        let place: Vec<u8> = elf[first + 16..first + 24].to_vec();
        let path = b.file("f", &patched(second + 16, &place)?, 0o755).map_err(words)?;
        b.survives(&["run", "--", &path]).map(drop)
    });
    check!(mangled_headers, b, {
        let original = program()?;
        let mut state = 88_172_645_463_325_252u64;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below) as usize
        };
        for round in 0..150 {
            let mut elf = original.clone();
            for _ in 0..1 + random(4) {
                // The header and the program headers.
                let at = random(64 + 13 * 56);
                elf[at] = [0, 1, 0x7f, 0x80, 0xff, elf[at].wrapping_add(1)][random(6)];
            }
            let path = b.file("f", &elf, 0o755).map_err(words)?;
            b.survives(&["run", "--", &path])
                .map_err(|e| format!("round {round}: {e}; the file is kept: {path}"))?;
        }
        Ok(())
    });
    check!(meaningless_calls, b, survives_every_seed(b, "calls.c", Flavor::GlibcStatic, "3000"));
    check!(meaningless_families, b, survives_every_seed(b, "family.c", Flavor::Glibc, "1000"));
    check!(upper_layer_full, b, {
        let argv = [
            "run",
            "--upper-limit",
            "1M",
            "--",
            "dd",
            "if=/dev/zero",
            "of=big",
            "bs=64k",
            "count=100",
            "status=none",
        ];
        let outcome = b.fncall(&argv).map_err(words)?;
        let text = String::from_utf8_lossy(&outcome.stderr);
        if outcome.ending == Ending::Exited(1) && text.contains("No space left on device") {
            return Ok(());
        }
        Err(format!("{:?}: {text}", outcome.ending))
    });

    // Without it each child faults the kernel in again, which nothing but time would tell.
    check!(image_moves_to_huge_pages, b, {
        let argv = [b.fncall.as_os_str(), "run".as_ref(), "--".as_ref(), "sh".as_ref(), "-c".as_ref()];
        let argv: Vec<_> = argv.into_iter().chain(["(:); (:); (:)".as_ref()]).map(OsString::from).collect();
        let env = [("FNCALL_LOG".into(), "info".into())];
        let job = Job { argv: &argv, env: &env, stdin: b"", dir: &b.dir, limit: Duration::from_secs(30) };
        let outcome = run(&job).map_err(words)?;
        let text = String::from_utf8_lossy(&outcome.stderr);
        if outcome.ending == Ending::Exited(0) && text.contains("the image is on huge pages now") {
            return Ok(());
        }
        Err(format!("{:?}: {text}", outcome.ending))
    });
    check!(exit_status_passes, b, b.prints(&["run", "--", "dash", "-c", "exit 42"], Ending::Exited(42), ""));
    check!(arguments_pass, b, {
        b.prints(
            &["run", "--", "printf", "[%s]", "a", "", "-x", "--", "b c"],
            Ending::Exited(0),
            "[a][][-x][--][b c]",
        )
    });
    check!(environment_passes, b, b.prints(&["run", "--", "printenv", "TZ"], Ending::Exited(0), "UTC\n"));
    check!(env_option, b, {
        b.prints(
            &["run", "--env", "NEW=value=x", "--env", "TZ=MINE", "--", "printenv", "NEW", "TZ"],
            Ending::Exited(0),
            "value=x\nMINE\n",
        )
    });
    check!(
        workdir_option,
        b,
        b.prints(&["run", "--workdir", "/usr/bin", "--", "pwd"], Ending::Exited(0), "/usr/bin\n")
    );
    check!(workdir_missing, b, {
        let outcome = b.fncall(&["run", "--workdir", "/no/such/dir", "--", "pwd"]).map_err(words)?;
        let text = String::from_utf8_lossy(&outcome.stderr);
        match outcome.ending {
            Ending::Exited(n) if n != 0 && text.contains("/no/such/dir") => Ok(()),
            other => Err(format!("{other:?}: {text}")),
        }
    });
    check!(killed_says_so, b, {
        let program =
            cc::compile(&cc::sources().join("fault.c"), Flavor::Glibc, &[]).map_err(|e| format!("{e:?}"))?;
        let path = program.to_string_lossy().into_owned();
        let outcome = b.run(&[&path, "default_kills_segv"]).map_err(words)?;
        let text = String::from_utf8_lossy(&outcome.stderr);
        if outcome.ending == Ending::Exited(139) && (text.contains("11") || text.contains("SIGSEGV")) {
            Ok(())
        } else {
            Err(format!("{:?}: {text}", outcome.ending))
        }
    });
    check!(version, b, {
        let outcome = b.fncall(&["--version"]).map_err(words)?;
        if outcome.ending == Ending::Exited(0) && outcome.stdout.starts_with(b"fncall ") {
            Ok(())
        } else {
            Err(format!("{outcome:?}"))
        }
    });
    check!(help, b, {
        let outcome = b.fncall(&["run", "--help"]).map_err(words)?;
        let text = String::from_utf8_lossy(&outcome.stdout);
        let options = ["--root", "--write", "--env", "--workdir", "--stats", "--no-aslr", "--strict"];
        let missing: Vec<_> = options.iter().filter(|o| !text.contains(*o)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not in the help: {missing:?}")) }
    });
    check!(no_program_named, b, {
        let outcome = b.fncall(&["run", "--"]).map_err(words)?;
        if outcome.ending == Ending::Exited(125) { Ok(()) } else { Err(format!("{outcome:?}")) }
    });
    check!(unknown_option, b, {
        let outcome = b.fncall(&["run", "--no-such-option", "--", "true"]).map_err(words)?;
        if outcome.ending == Ending::Exited(125) { Ok(()) } else { Err(format!("{outcome:?}")) }
    });
    check!(stats_to_file, b, {
        let file = b.dir.join("stats");
        let option = format!("--stats={}", file.display());
        b.prints(&["run", &option, "--", "true"], Ending::Exited(0), "")?;
        let text = fs::read_to_string(&file).map_err(words)?;
        if text.contains("execve") || text.contains("exit_group") {
            Ok(())
        } else {
            Err(format!("no calls named in: {text}"))
        }
    });
    // Each child calls exit_group once, from a page that its parent has patched by the time of the next fork.
    check!(children_do_not_all_trap, b, {
        let file = b.dir.join("stats");
        let option = format!("--stats={}", file.display());
        let script = "i=0; while [ $i -lt 200 ]; do (:); i=$((i+1)); done";
        b.prints(&["run", &option, "--", "dash", "-c", script], Ending::Exited(0), "")?;
        let text = fs::read_to_string(&file).map_err(words)?;
        let line = text.lines().find(|line| line.starts_with("exit_group ")).unwrap_or_default();
        // Its columns: calls, errors, traps.
        let columns: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match columns[..] {
            [calls, _, traps, ..] if calls > 200 && traps < 100 => Ok(()),
            _ => Err(format!("{columns:?} of exit_group in: {text}")),
        }
    });
    check!(no_aslr_repeats_addresses, b, {
        let argv = ["run", "--no-aslr", "--", "cat", "/proc/self/maps"];
        let (one, two) = (b.fncall(&argv).map_err(words)?, b.fncall(&argv).map_err(words)?);
        let starts = |o: &Outcome| -> Vec<String> {
            String::from_utf8_lossy(&o.stdout)
                .lines()
                .filter(|l| !l.contains("vdso") && !l.contains("vvar"))
                .map(|l| l.split('-').next().unwrap_or_default().to_owned())
                .collect()
        };
        if one.ending == Ending::Exited(0) && !starts(&one).is_empty() && starts(&one) == starts(&two) {
            Ok(())
        } else {
            Err(format!("{:?}\n{:#?}\n{:#?}", one.ending, starts(&one), starts(&two)))
        }
    });
    check!(aslr_varies_addresses, b, {
        let argv = ["run", "--", "grep", "stack", "/proc/self/maps"];
        let one = b.fncall(&argv).map_err(words)?;
        for _ in 0..4 {
            if b.fncall(&argv).map_err(words)?.stdout != one.stdout {
                return Ok(());
            }
        }
        Err(format!("the stack is always at {}", String::from_utf8_lossy(&one.stdout)))
    });
    check!(root_option, b, {
        make_root(&b.dir.join("root")).map_err(words)?;
        let root = b.dir.join("root").to_string_lossy().into_owned();
        b.prints(&["run", "--root", &root, "--", "/bin/busybox", "ls", "/"], Ending::Exited(0), "bin\netc\n")
            .or_else(|_| {
                b.prints(
                    &["run", "--root", &root, "--", "/bin/busybox", "ls", "/etc"],
                    Ending::Exited(0),
                    "name\n",
                )
            })?;
        b.prints(
            &["run", "--root", &root, "--", "/bin/busybox", "cat", "/etc/name"],
            Ending::Exited(0),
            "inside\n",
        )?;
        b.prints(
            &["run", "--root", &root, "--", "/bin/busybox", "cat", "/../../etc/name"],
            Ending::Exited(0),
            "inside\n",
        )?;
        let outcome =
            b.fncall(&["run", "--root", &root, "--", "/bin/busybox", "cat", "/etc/link"]).map_err(words)?;
        if outcome.stdout == b"inside\n" {
            Ok(())
        } else {
            Err(format!("a link leaves the root: {outcome:?}"))
        }
    });
    check!(limits_are_the_instances_own, b, {
        let names =
            ["fs/lease-break-time", "kernel/msgmni", "fs/inotify/max_user_instances", "fs/pipe-max-size"];
        let host = || names.map(|name| fs::read_to_string(Path::new("/proc/sys").join(name)).ok());
        let before = host();
        b.prints(&["run", "--", "python3", "-c", LIMITS], Ending::Exited(0), LIMITS_SAID)?;
        if host() == before { Ok(()) } else { Err("the host's limits have changed".into()) }
    });
    check!(write_only_where_named, b, {
        let open = b.dir.join("open");
        fs::create_dir(&open).map_err(words)?;
        let open = open.to_string_lossy().into_owned();
        let script = "for p, t in [('open/kept', 'one'), ('lost', 'two'), ('/tmp/fncall-tests-lost', 'three')]:\n \
            open(p, 'w').write(t)\n print(open(p).read())";
        b.prints(
            &["run", "--write", &open, "--", "python3", "-c", script],
            Ending::Exited(0),
            "one\ntwo\nthree\n",
        )?;
        let kept = fs::read_to_string(b.dir.join("open/kept")).map_err(words)?;
        if kept != "one" || b.dir.join("lost").exists() || Path::new("/tmp/fncall-tests-lost").exists() {
            return Err(format!(
                "kept {kept:?}, lost {}, /tmp {}",
                b.dir.join("lost").exists(),
                Path::new("/tmp/fncall-tests-lost").exists()
            ));
        }
        Ok(())
    });
    check!(one_file_runs_anywhere, b, {
        let copy = b.dir.join("moved-fncall");
        fs::copy(&b.fncall, &copy).map_err(words)?;
        let moved = Bench { dir: b.dir.clone(), fncall: copy };
        moved.prints(&["run", "--", "echo", "hello"], Ending::Exited(0), "hello\n")
    });
    check!(closed_output_is_no_panic, b, {
        let line = format!("{} run -- ls /usr/bin >&-", b.fncall.display());
        let argv = ["bash", "-c", &line].map(OsString::from);
        let job = Job { argv: &argv, env: &[], stdin: b"", dir: &b.dir, limit: Duration::from_secs(30) };
        let outcome = run(&job).map_err(words)?;
        if outcome.ending == Ending::Exited(2) { Ok(()) } else { Err(format!("{outcome:?}")) }
    });
    list
}

/// Changes numbers of /proc/sys, and sees that they count.
const LIMITS: &str = r#"
import ctypes, errno, fcntl, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def sysctl(name, value=None):
    if value is not None:
        with open('/proc/sys/' + name, 'w') as f: f.write(value)
    return open('/proc/sys/' + name).read().split()
def refused(call):
    try: call()
    except OSError as e: return errno.errorcode[e.errno]
    return 'allowed'
def c(name, *args): return 'ok' if getattr(libc, name)(*args) >= 0 else errno.errorcode[ctypes.get_errno()]
print(sysctl('kernel/msgmni', '1'), c('msgget', 0, 0o600), c('msgget', 0, 0o600))
print(sysctl('kernel/msgmax', '3'), c('msgsnd', 0, (ctypes.c_long * 2)(1, 0), 3, 0), c('msgsnd', 0, (ctypes.c_long * 2)(1, 0), 4, 0))
print(sysctl('kernel/sem', '10 20 30'), c('semget', 1, 11, 0o1600), c('semget', 1, 10, 0o1600), c('semget', 2, 10, 0o1600), c('semget', 3, 1, 0o1600))
print(sysctl('kernel/shmmax', '4096'), c('shmget', 1, 4097, 0o1600), c('shmget', 1, 4096, 0o1600))
print(sysctl('kernel/shm_next_id', '77'), libc.shmget(2, 1, 0o1600), sysctl('kernel/shm_next_id'))
print(sysctl('fs/inotify/max_user_instances', '1'), c('inotify_init'), c('inotify_init'))
print(sysctl('fs/pipe-max-size', '5000'), sysctl('fs/pipe-max-size', '65536'))
print(sysctl('kernel/ns_last_pid', '1000'), c('getpid'))
pid = os.fork() or os._exit(0)
print(pid, os.waitpid(pid, 0)[1])
for name, value in [('kernel/msgmni', '-1'), ('kernel/msgmni', 'x'), ('fs/mqueue/msg_max', '0'), ('fs/lease-break-time', '-1')]:
    print(name, refused(lambda: sysctl(name, value)))
print(refused(lambda: open('/proc/sys/kernel/osrelease', 'w')))
sys.stdout.flush()
# A lease is broken after the time that was set, without its holder.
sysctl('fs/lease-break-time', '1')
open('f', 'w').close()
signal.signal(signal.SIGIO, lambda *_: None)
lease = os.open('f', os.O_RDONLY)
fcntl.fcntl(lease, fcntl.F_SETLEASE, fcntl.F_RDLCK)
if os.fork() == 0:
    from_ = time.monotonic()
    os.open('f', os.O_WRONLY)
    print('it waited:', 0.9 < time.monotonic() - from_, flush=True)
    os._exit(0)
os.wait()
print(fcntl.fcntl(lease, fcntl.F_GETLEASE) == fcntl.F_UNLCK)
"#;
const LIMITS_SAID: &str = "\
['1'] ok ENOSPC
['3'] ok EINVAL
['10', '20', '30', '32000'] EINVAL ok ok ENOSPC
['4096'] EINVAL ok
['77'] 77 ['-1']
['1'] ok EMFILE
['8192'] ['65536']
['1000'] ok
1001 0
kernel/msgmni EINVAL
kernel/msgmni EINVAL
fs/mqueue/msg_max EINVAL
fs/lease-break-time EINVAL
EACCES
it waited: True
True
";

fn make_root(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join("bin"))?;
    fs::create_dir_all(root.join("etc"))?;
    fs::copy("/bin/busybox", root.join("bin/busybox"))?;
    fs::write(root.join("etc/name"), "inside\n")?;
    symlink("/etc/name", root.join("etc/link"))
}

//! A debugger walks the stack at every instruction of the way out and the way in: from the user program through the
//! entry to `main`, and back to the user program. (`injection.rs` does the same with the unwinder of the C library.)

#[path = "common/example.rs"]
mod example;

use std::collections::BTreeMap;
use std::process::Command;

/// More instructions than the way out or the way in has on any machine, with what Rust adds.
const STEPS: usize = 160;

/// Runs the example `hello` to its second system call and steps on from there; then again, from the kernel's answer on.
fn script() -> String {
    let steps = format!(
        "set $n = 0\n\
         while $n < {STEPS}\n\
         echo \\n@step\\n\n\
         bt 40\n\
         stepi\n\
         set $n = $n + 1\n\
         end\n"
    );
    format!(
        "set pagination off\n\
         set debuginfod enabled off\n\
         set width 0\n\
         set confirm off\n\
         tbreak syscall_fn_entry\n\
         run\n\
         echo \\n@leave\\n\n\
         {steps}\
         kill\n\
         tbreak syscall_fn_entry\n\
         run\n\
         tbreak fncall_enter_hosted\n\
         continue\n\
         echo \\n@enter\\n\n\
         {steps}\
         kill\n"
    )
}

/// The functions of a backtrace, innermost first. A frame is `#1  0x0000 in function (arguments) at file` or, at the
/// beginning of a line, `#0  function () …`.
fn functions(backtrace: &str) -> Vec<String> {
    let name = |line: &str| {
        let (_, rest) = line.strip_prefix('#')?.split_once(' ')?;
        let rest = rest.trim_start();
        let rest =
            rest.split_once(" in ").filter(|(address, _)| address.starts_with("0x")).map_or(rest, |(_, r)| r);
        Some(rest.split_once(" (").map_or(rest, |(name, _)| name).to_owned())
    };
    backtrace.lines().filter_map(name).collect()
}

#[test]
fn gdb_walks_from_the_program_through_the_entry_to_the_kernel_and_back() {
    if Command::new("gdb").arg("--version").output().is_err() {
        println!("skipped: no gdb here (Debian package gdb)");
        return;
    }
    let script_path = std::env::temp_dir().join(format!("fncall-gdb-{}", std::process::id()));
    std::fs::write(&script_path, script()).unwrap();
    let output = Command::new("gdb")
        .args(["-nx", "-batch", "-x"])
        .arg(&script_path)
        .arg(example::path("hello"))
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    std::fs::remove_file(&script_path).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let (_, text) = text.split_once("\n@leave\n").unwrap_or_else(|| panic!("gdb did not get there:\n{text}"));
    let (leave, enter) = text.split_once("\n@enter\n").unwrap_or_else(|| panic!("gdb stopped:\n{text}"));

    for (way, routine) in [(leave, "fncall_call_entry_hosted"), (enter, "fncall_enter_hosted")] {
        // By where the walk ended: how many instructions of the routine.
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        let mut sides = vec![];
        for step in way.split("@step\n").skip(1) {
            let functions = functions(step);
            let has = |name: &str| functions.iter().any(|function| function == name);
            let end = if has("main") {
                "main"
            } else if has("program") {
                "program"
            } else {
                "nowhere"
            };
            sides.push(end);
            if functions.first().is_some_and(|innermost| innermost == routine) {
                *ends.entry(end).or_default() += 1;
            } else {
                assert_ne!(end, "nowhere", "{routine}: {step}");
            }
        }
        sides.dedup();
        let count = |end| ends.get(end).copied().unwrap_or(0);
        assert!(count("main") > 20, "{routine}: {ends:?}");
        if way == leave {
            assert_eq!((&sides[..2], count("nowhere")), (&["program", "main"][..], 0), "{routine}: {ends:?}");
            assert!(count("program") > 10, "{ends:?}");
        } else {
            // Between the two stacks: there is no caller any more, and the program has not been reached.
            assert_eq!(sides[..3], ["main", "nowhere", "program"], "{routine}: {ends:?}");
            assert!(count("nowhere") <= 2, "{ends:?}");
        }
    }
}

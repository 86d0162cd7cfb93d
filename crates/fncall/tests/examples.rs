//! The examples run and say what their first lines promise.

#[path = "common/example.rs"]
mod example;

#[test]
fn hello_greets() {
    assert_eq!(example::output("hello", &[]), "hello from process 7\n");
}

#[test]
fn the_toy_kernel_takes_turns_preempts_and_serves_pages() {
    let output = example::output("toy-kernel", &[]);
    let mut lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.pop(), Some("all tasks ended; the timer took the processor away: yes"), "\n{output}");
    // How the tasks' turns fall depends on the timer, the order within a task does not.
    let at = |line: &str| {
        lines.iter().position(|own| *own == line).unwrap_or_else(|| panic!("{line:?} is missing:\n{output}"))
    };
    assert!(at("setter: go") < at("2 setter: exit(0), 0 pages on demand"));
    assert!(at("setter: go") < at("spinner: somebody else ran while I did not let go"));
    assert!(
        at("spinner: somebody else ran while I did not let go") < at("1 spinner: exit(0), 0 pages on demand")
    );
    at("3 toucher: exit(31), 4 pages on demand");
    at("4 divider: trap 0, 0 pages on demand");
    assert_eq!(lines.len(), 6, "\n{output}");
}

#[test]
fn the_async_kernel_waits_without_blocking() {
    assert_eq!(
        example::output("async-kernel", &[]),
        "consumer: 1\nconsumer: 4\nconsumer: 9\nconsumer: 16\nconsumer: 25\nproducer: exit(0)\n\
         consumer: exit(55)\nall threads ended; system calls that waited: 11\n"
    );
}

#[test]
fn the_tracer_shows_every_call() {
    let mut expected = [
        "openat(AT_FDCWD, \"/dev/zero\", 0o0) = 3",
        "read(3, …, 16) = 16",
        "close(3) = 0",
        "openat(AT_FDCWD, \"/no/such/file\", 0o2000002) = No such file or directory (os error 2)",
        "seen from inside",
        "write(1, …, 17) = 17",
        "exit_group(3) = ?",
        "",
    ]
    .join("\n");
    let output = example::output("trace-syscalls", &[]);
    // The number depends on what the test runner leaves open.
    let fd = output.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or("3").to_owned();
    expected = expected.replace(" = 3\n", &format!(" = {fd}\n"));
    expected = expected.replace("(3, …", &format!("({fd}, …")).replace("close(3)", &format!("close({fd})"));
    assert_eq!(output, expected);
}

//! What arrives at the kernel image, with this very program in its place: it hands itself over to itself.
//! Therefore no test harness: `main` plays the image when it is started as one, by the name it is given.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use config::{BootConfig, LogLevel, StatsTarget};
use fncall_cli::image::launch;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match &args[..] {
        [name, descriptor] if name == "fncall" => image(descriptor),
        [_, role] if role == "launch" => start(false),
        [_, role] if role == "launch-closed" => start(true),
        [_, role] if role == "list" => answer(&format!("{:?}\n", open_descriptors())),
        _ => {
            configuration_arrives_whole();
            nothing_else_is_left_open();
            configuration_keeps_off_the_standard_descriptors();
            arguments_and_environment_of_the_image_are_its_own();
            println!("4 passed, 0 failed");
        }
    }
}

fn config() -> BootConfig {
    BootConfig {
        program: b"a program".to_vec(),
        argv: vec![b"zero".to_vec(), b"\xff\xfe".to_vec(), vec![b'x'; 300_000]],
        envp: vec![b"A=b".to_vec()],
        root: Some(b"/root".to_vec()),
        writable: vec![b"/w".to_vec()],
        workdir: b"/d".to_vec(),
        aslr: false,
        strict: true,
        stats: Some(StatsTarget::Stderr),
        log: LogLevel::Info,
        upper_limit_bytes: Some(1 << 40),
    }
}

/// The caller of the image, with standard input closed if asked: closed here, because std fills such a gap at
/// the start of this program (though not of the real one).
fn start(close_stdin: bool) {
    let image = fs::read("/proc/self/exe").unwrap();
    // Opened close-on-exec by std: must not arrive.
    let _file = File::open("/dev/null").unwrap();
    if close_stdin {
        nix::unistd::close(0).unwrap();
    }
    let error = launch(&image, &config()).unwrap_err();
    panic!("{error}");
}

/// The image: report what came.
fn image(descriptor: &str) {
    let open = open_descriptors();
    let mut bytes = Vec::new();
    File::open(format!("/proc/self/fd/{descriptor}")).unwrap().read_to_end(&mut bytes).unwrap();
    let same = BootConfig::decode(&bytes).unwrap() == config();
    let environment = std::env::vars_os().count();
    answer(&format!("{same} {descriptor} {environment} {open:?}\n"));
}

/// Those that this program started with, and 0 to 2, which std opens.
fn open_descriptors() -> BTreeSet<i32> {
    let names = fs::read_dir("/proc/self/fd").unwrap().map(|entry| entry.unwrap().file_name());
    let listed: Vec<i32> = names.map(|name| name.to_str().unwrap().parse().unwrap()).collect();
    // Listing takes one more, gone by now.
    listed.into_iter().filter(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).is_ok()).collect()
}

fn answer(line: &str) {
    fs::OpenOptions::new().append(true).open(REPORT_PATH).unwrap().write_all(line.as_bytes()).unwrap();
}

/// Descriptor 9 is the test's: outputs may be closed.
const REPORT_PATH: &str = "/proc/self/fd/9";

/// Play a role under a shell that redirects first; the report.
fn report(role: &str, redirections: &str) -> String {
    let path = std::env::temp_dir().join(format!("fncall-hand-over-{}", std::process::id()));
    File::create(&path).unwrap();
    let script = format!("exec 9>>'{}' {redirections}; exec \"$0\" {role}", path.display());
    let status = Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let report = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(status.success(), "{status}");
    report.trim_end().to_owned()
}

/// What the image reports: whether the configuration is right, its descriptor, how many variables the
/// environment has, which descriptors are open.
fn launched(role: &str, redirections: &str) -> (bool, i32, usize, String) {
    let report = report(role, redirections);
    let fields: Vec<&str> = report.splitn(4, ' ').collect();
    (fields[0] == "true", fields[1].parse().unwrap(), fields[2].parse().unwrap(), fields[3].to_owned())
}

fn configuration_arrives_whole() {
    assert!(launched("launch", "").0);
}

fn nothing_else_is_left_open() {
    let before = report("list", "7</dev/null");
    let (_, descriptor, _, after) = launched("launch", "7</dev/null");
    let mut expected: BTreeSet<i32> =
        before.trim_matches(['{', '}']).split(", ").map(|fd| fd.parse().unwrap()).collect();
    assert!(expected.contains(&7) && expected.insert(descriptor), "{before} {descriptor}");
    assert_eq!(after, format!("{expected:?}"));
}

fn configuration_keeps_off_the_standard_descriptors() {
    let (same, descriptor, ..) = launched("launch-closed", "");
    assert!(same && descriptor > 2, "{descriptor}");
}

fn arguments_and_environment_of_the_image_are_its_own() {
    assert_eq!(launched("launch", "").2, 0);
}

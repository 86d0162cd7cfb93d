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
        [_, role] if role == "launch" => start(),
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

/// The caller of the image.
fn start() {
    let image = fs::read("/proc/self/exe").unwrap();
    // Opened close-on-exec by std: must not arrive.
    let _file = File::open("/dev/null").unwrap();
    let error = launch(&image, &config()).unwrap_err();
    panic!("{error}");
}

/// The image: report what came, in lines.
fn image(descriptor: &str) {
    let open: BTreeSet<i32> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    // Listing opens one more, gone by now; std has opened /dev/null in place of closed ones.
    let open: Vec<_> =
        open.into_iter().filter(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).is_ok()).collect();
    let mut bytes = Vec::new();
    File::open(format!("/proc/self/fd/{descriptor}")).unwrap().read_to_end(&mut bytes).unwrap();
    let same = BootConfig::decode(&bytes).unwrap() == config();
    let environment = std::env::vars_os().count();
    let line = format!("{same} {descriptor} {open:?} {environment}\n");
    fs::OpenOptions::new().write(true).open(REPORT_PATH).unwrap().write_all(line.as_bytes()).unwrap();
}

/// Descriptor 9 is the test's: outputs may be closed.
const REPORT_PATH: &str = "/proc/self/fd/9";

/// Run the hand-over under a shell that redirects first; the report.
fn report(redirections: &str) -> String {
    let path = std::env::temp_dir().join(format!("fncall-hand-over-{}", std::process::id()));
    File::create(&path).unwrap();
    let script = format!("exec 9>>'{}' {redirections}; exec \"$0\" launch", path.display());
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
    report
}

fn configuration_arrives_whole() {
    assert!(report("").starts_with("true "));
}

fn nothing_else_is_left_open() {
    let report = report("7</dev/null");
    // 7 and 9 are the caller's, as are the standard ones.
    let mut fields = report.trim_end().splitn(3, ' ');
    let descriptor: i32 = fields.nth(1).unwrap().parse().unwrap();
    let mut expected = vec![0, 1, 2, 7, 9, descriptor];
    expected.sort_unstable();
    assert!(fields.next().unwrap().starts_with(&format!("{expected:?}")), "{report}");
}

fn configuration_keeps_off_the_standard_descriptors() {
    // This program itself cannot tell, because std fills the gaps at its start; but the configuration must
    // not lie in one of them.
    let descriptor: i32 = report("<&- >&- 2>&-").split(' ').nth(1).unwrap().parse().unwrap();
    assert!(descriptor > 2, "{descriptor}");
}

fn arguments_and_environment_of_the_image_are_its_own() {
    assert!(report("").ends_with(" 0\n"));
}

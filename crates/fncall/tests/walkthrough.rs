//! The pictures and tables of `docs/walkthrough.md` are what the code does. When this fails after a change of the
//! switch, read the prose again, and run `cargo run -p fncall --example walkthrough -- docs`.

#[path = "common/example.rs"]
mod example;

use std::process::Command;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");

/// The steps that the documents show are those of a processor with FSGSBASE.
fn has_fsgsbase() -> bool {
    const FSGSBASE: u64 = 2;
    // SAFETY: asks the host what it told this process.
    unsafe { libc::getauxval(libc::AT_HWCAP2) & FSGSBASE != 0 }
}

fn check(docs: &std::path::Path) -> (bool, String) {
    let output = Command::new(example::path("walkthrough")).arg("--check").arg(docs).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_walkthrough_is_what_the_code_does() {
    if !has_fsgsbase() {
        println!("skipped: this host does not allow wrfsbase, and the documents show the way with it");
        return;
    }
    let (same, stderr) = check(DOCS.as_ref());
    assert!(same, "{stderr}");
}

#[test]
fn a_stale_walkthrough_is_noticed() {
    if !has_fsgsbase() {
        println!("skipped: as above");
        return;
    }
    let copy = std::env::temp_dir().join(format!("fncall-walkthrough-{}", std::process::id()));
    std::fs::create_dir_all(copy.join("walkthrough")).unwrap();
    for name in ["walkthrough.md", "walkthrough.zh.md"] {
        let text = std::fs::read_to_string(format!("{DOCS}/{name}")).unwrap();
        std::fs::write(copy.join(name), text.replace("| rbx = 0xb0b |", "| rbx = 0xbad |")).unwrap();
    }
    for file in std::fs::read_dir(format!("{DOCS}/walkthrough")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join("walkthrough").join(file.file_name())).unwrap();
    }
    let (same, stderr) = check(&copy);
    std::fs::remove_dir_all(&copy).unwrap();
    assert!(!same);
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    assert!(stderr.contains("walkthrough.zh.md is stale"), "{stderr}");
}

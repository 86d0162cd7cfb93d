//! Programs that work on text, and archivers.

use std::fs;
use std::path::Path;

use fncall_tests::case::Case;

use crate::{Collection, garden, host};

pub fn text_tools(all: &mut Collection) {
    all.lines(
        "grep",
        "grep",
        &[
            ("plain", &["-n", "line 19", "words"]),
            ("recursive", &["-r", "struct stat", "/usr/include/x86_64-linux-gnu"]),
            ("regex", &["-E", "^(1|2)+ line [0-9]{2} ", "words"]),
            ("count", &["-c", "text", "words", "a.txt"]),
            ("binary", &["-c", "x", "bytes"]),
            ("perl-regex", &["-P", "line (?=7)", "words"]),
            ("none", &["nothing-like-this", "words"]),
            ("missing", &["x", "missing"]),
            ("list", &["-rl", "alpha", "."]),
        ],
    );
    all.lines(
        "sed",
        "sed",
        &[
            ("substitute", &["s/[0-9][0-9]*/<&>/g", "words"]),
            ("script", &["-n", "/beta/,$ { =; p; y/abc/xyz/; p }", "a.txt"]),
            ("hold", &["-n", "1!G;h;$p", "a.txt"]),
        ],
    );
    all.both(
        |n| garden(Case::new(n, ["sed", "-i.bak", "s/a/A/g", "a.txt", "b.txt"])).needs(&["sed"]),
        "sed::in-place",
    );
    all.both(|n| garden(Case::new(n, ["sed", "-n", "w out", "words"])).needs(&["sed"]), "sed::write-file");
    all.lines(
        "mawk",
        "mawk",
        &[
            ("sum", &["{ s += $1 } END { print s, NR }", "words"]),
            ("arrays", &["{ n[$1 % 10]++ } END { for (i = 0; i < 10; i++) print i, n[i] }", "words"]),
            (
                "printf",
                &["BEGIN { for (i = 0; i < 10; i++) printf \"%5.2f %s\\n\", sqrt(i), substr(\"hello\", i) }"],
            ),
            ("getline", &["BEGIN { while ((getline l < \"a.txt\") > 0) print toupper(l) }"]),
        ],
    );
    all.lines(
        "diff",
        "diff",
        &[
            ("plain", &["a.txt", "b.txt"]),
            ("unified", &["-u", "--label", "x", "--label", "y", "a.txt", "b.txt"]),
            ("recursive", &["-r", "dir", "."]),
            ("same", &["b.txt", "hard"]),
            ("brief", &["-q", "bytes", "words"]),
        ],
    );
    all.lines(
        "find",
        "find",
        &[
            ("all", &[".", "-printf", "%p %y %m %s %n\\n"]),
            ("usr-include", &["/usr/include", "-name", "*.h", "-newermt", "2001-01-01"]),
            ("depth", &["dir", "-depth"]),
            ("type", &[".", "-type", "l"]),
            ("empty", &[".", "-empty"]),
            ("perm", &[".", "-perm", "600", "-print0"]),
        ],
    );
    all.both(
        |n| garden(Case::new(n, ["find", "dir", "-type", "f", "-delete"])).needs(&["find"]),
        "find::delete",
    );
    for (name, input) in [
        ("pi", "scale=200; 4*a(1)\n"),
        ("power", "2^4096\n"),
        ("error", "1/0\n"),
        ("functions", "define f(n) { if (n < 2) return n; return f(n-1)+f(n-2); }\nf(16)\n"),
    ] {
        all.add(Case::new(format!("bc::{name}"), ["bc", "-lq"]).needs(&["bc"]).stdin(input));
    }
}

pub fn archives(all: &mut Collection) {
    all.both(
        |n| {
            garden(Case::new(
                n,
                ["tar", "--sort=name", "-cf", "t.tar", "dir", "a.txt", "link", "hard", "b.txt"],
            ))
            .needs(&["tar"])
        },
        "tar::create",
    );
    all.add(
        garden(Case::new("tar::to-output", ["tar", "--sort=name", "-cf", "-", "dir", "bytes"]))
            .needs(&["tar"]),
    );
    let packed = |dir: &Path| {
        host(dir, &["tar", "--sort=name", "-cf", "t.tar", "dir", "a.txt", "link", "hard", "b.txt", "bytes"])
    };
    all.add(garden(Case::new("tar::list", ["tar", "-tvf", "t.tar"])).needs(&["tar"]).setup(packed));
    all.both(
        move |n| {
            garden(Case::new(n, ["tar", "-xf", "t.tar", "-C", "empty-dir"]))
                .needs(&["tar"])
                .setup(packed)
                .setup(|d| fs::create_dir(d.join("empty-dir")))
        },
        "tar::extract",
    );
    all.add(garden(Case::new("tar::compare", ["tar", "-df", "t.tar"])).needs(&["tar"]).setup(packed));
    all.add(garden(Case::new("gzip::to-output", ["gzip", "-9nc", "words", "bytes"])).needs(&["gzip"]));
    all.both(|n| garden(Case::new(n, ["gzip", "-n", "words"])).needs(&["gzip"]), "gzip::in-place");
    all.both(
        |n| {
            garden(Case::new(n, ["gzip", "-d", "z.gz"]))
                .needs(&["gzip"])
                .setup(|dir| host(dir, &["sh", "-c", "gzip -nc bytes > z.gz"]))
        },
        "gzip::decompress",
    );
    all.add(garden(Case::new("gzip::damaged", ["gzip", "-tv", "words"])).needs(&["gzip"]));
    all.add(garden(Case::new("xz::to-output", ["xz", "-T1", "-c", "words"])).needs(&["xz"]));
    all.both(|n| garden(Case::new(n, ["xz", "-T1", "words"])).needs(&["xz"]), "xz::in-place");
    all.both(
        |n| {
            garden(Case::new(n, ["xz", "-T1", "-d", "z.xz"]))
                .needs(&["xz"])
                .setup(|dir| host(dir, &["sh", "-c", "xz -c bytes > z.xz"]))
        },
        "xz::decompress",
    );
}

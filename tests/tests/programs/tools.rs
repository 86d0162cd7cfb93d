//! busybox and the coreutils: files looked at, copied, moved, removed.

use fncall_tests::case::Case;

use crate::{Collection, garden, host, scrambled};

pub fn busybox(all: &mut Collection) {
    all.lines(
        "busybox",
        "busybox",
        &[
            ("sha256sum", &["sha256sum", "words", "bytes", "empty", "/bin/busybox"]),
            ("ls-lR-usr-include", &["ls", "-lR", "/usr/include"]),
            ("ls-l", &["ls", "-la"]),
            ("find", &["find", ".", "-type", "f", "-size", "+1"]),
            ("grep-r", &["grep", "-r", "define.*MAX", "/usr/include/linux"]),
            ("sort", &["sort", "-n", "words"]),
            (
                "awk",
                &["awk", "{ s += $1; n[NF]++ } END { print s, NR; for (k in n) print k, n[k] }", "words"],
            ),
            ("sed", &["sed", "-n", "s/line \\([0-9]*\\)/<\\1>/p", "words"]),
            ("wc", &["wc", "words", "bytes", "empty"]),
            ("od", &["od", "-c", "bytes"]),
            ("stat", &["stat", "-c", "%n %s %a %F %h", "words", "dir", "link"]),
            ("du", &["du", "-a", "-s", "empty"]),
            ("cat-missing", &["cat", "missing", "a.txt", "dir"]),
            ("cut", &["cut", "-d", " ", "-f", "1,3", "words"]),
            ("head", &["head", "-n", "3", "words"]),
            ("tail", &["tail", "-n", "3", "words"]),
            ("uniq", &["uniq", "-c", "a.txt"]),
            ("md5sum", &["md5sum", "words"]),
            ("base64", &["base64", "bytes"]),
            ("diff", &["diff", "a.txt", "b.txt"]),
            ("expr", &["expr", "6", "*", "7"]),
            ("seq", &["seq", "1", "1000"]),
            ("readlink-f", &["readlink", "-f", "link"]),
            ("id", &["id"]),
            ("uname", &["uname", "-sm"]),
            ("env", &["env"]),
            ("test-false", &["test", "-d", "words"]),
            ("true-applet-missing", &["no-such-applet"]),
            ("tar-list", &["tar", "-cf", "-", "dir"]),
            ("gzip", &["gzip", "-c", "words"]),
        ],
    );
    all.both(
        |name| garden(Case::new(name, ["busybox", "ash", "-c", "i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo $i; echo x > f; read y < f; echo got $y; cd dir; exit 5"])).needs(&["busybox"]),
        "busybox::ash-builtins",
    );
    all.both(
        |name| {
            garden(Case::new(
                name,
                ["busybox", "dd", "if=bytes", "of=copy", "bs=1000", "count=50", "skip=3", "seek=2"],
            ))
            .needs(&["busybox"])
        },
        "busybox::dd-write",
    );
    all.both(
        |name| {
            garden(Case::new(name, ["busybox", "tar", "-cf", "t.tar", "dir", "a.txt", "link"]))
                .needs(&["busybox"])
        },
        "busybox::tar-create",
    );
    all.both(
        |name| garden(Case::new(name, ["busybox", "cp", "-a", "dir", "copy"])).needs(&["busybox"]),
        "busybox::cp-a",
    );
    all.both(
        |name| garden(Case::new(name, ["busybox", "rm", "-rf", "dir", "words"])).needs(&["busybox"]),
        "busybox::rm-rf",
    );
    all.both(
        |name| garden(Case::new(name, ["busybox", "mv", "dir", "moved"])).needs(&["busybox"]),
        "busybox::mv",
    );
    all.both(
        |name| {
            garden(Case::new(name, ["busybox", "gunzip", "-k", "z.gz"]))
                .needs(&["busybox", "gzip"])
                .setup(|dir| host(dir, &["sh", "-c", "gzip -nc words > z.gz"]))
        },
        "busybox::gunzip",
    );
    all.both(
        |name| {
            garden(Case::new(name, ["busybox", "sed", "-i", "s/alpha/ALPHA/", "a.txt", "b.txt"]))
                .needs(&["busybox"])
        },
        "busybox::sed-i",
    );
}

/// The tools of util-linux for System V IPC: each kind made, shown, removed.
const IPC: &str = r#"
for kind in "m M 5000" "s S 3" "q Q"; do
    set -- $kind
    id=$(ipcmk -$2 $3 -p 640 | tr -dc 0-9)
    ipcs -$1 -i $id | sed -e '/id=[0-9]*$/d' -e '/time *=/d' -e 's/pid=[0-9]*//g'
    ipcs -$1 | awk -v id=$id '$2 == id { $1 = $2 = ""; print }'
    ipcs -$1 -t | awk -v id=$id '$1 == id { print $2 }'
    ipcrm -$1 $id
    echo $?
    ipcrm -$1 $id 2>/dev/null
    echo $?
    ipcs -$1 -i $id 2>/dev/null
done
ipcs -l
"#;

pub fn util_linux(all: &mut Collection) {
    all.both(
        |name| Case::new(name, ["sh", "-c", IPC]).needs(&["ipcmk", "ipcs", "ipcrm", "awk"]),
        "util-linux::ipc",
    );
}

pub fn coreutils(all: &mut Collection) {
    let simple: &[(&str, &[&str])] = &[
        ("ls", &["ls"]),
        ("ls-la", &["ls", "-la"]),
        ("ls-lR", &["ls", "-lR", "/usr/include/linux"]),
        ("ls-i-sorted-by-size", &["ls", "-S", "."]),
        ("ls-missing", &["ls", "missing"]),
        ("ls-root", &["ls", "/"]),
        ("ls-usr-bin", &["ls", "-F", "/usr/bin"]),
        ("cat", &["cat", "words", "a.txt"]),
        ("cat-missing", &["cat", "missing", "a.txt", "dir"]),
        ("sort", &["sort", "words"]),
        ("sort-n", &["sort", "--parallel=1", "-n", "-k1,1", "words"]),
        ("sha256sum", &["sha256sum", "words", "bytes", "empty", "/bin/bash"]),
        ("md5sum", &["md5sum", "words"]),
        ("wc", &["wc", "words", "bytes", "empty"]),
        ("head", &["head", "-c", "100", "words"]),
        ("tail", &["tail", "-n", "+1990", "words"]),
        ("cut", &["cut", "-c", "1-5", "words"]),
        ("tr", &["tr", "a-z", "A-Z"]),
        ("stat", &["stat", "-c", "%n %s %a %F %h %U %y", "words", "dir/two", "link", "dangling"]),
        ("stat-root", &["stat", "-c", "%n %a %F", "/", "/etc", "/dev/null", "/proc"]),
        ("du-apparent", &["du", "-a", "-b", "words", "a.txt", "hard"]),
        ("readlink", &["readlink", "-f", "dir/../link"]),
        ("realpath", &["realpath", "--relative-to=dir", "words"]),
        ("basename", &["basename", "/a/b.c", ".c"]),
        ("id", &["id"]),
        ("env", &["env"]),
        ("pwd", &["pwd", "-P"]),
        ("date", &["date", "-u", "-d", "@1000000000"]),
        ("date-r", &["date", "-u", "-r", "words"]),
        ("seq", &["seq", "100000"]),
        ("factor", &["factor", "123456789012345678", "18446744073709551557"]),
        ("expr", &["expr", "length", "hello"]),
        ("od", &["od", "-A", "x", "-t", "x1z", "bytes"]),
        ("base64", &["base64", "bytes"]),
        ("cksum", &["cksum", "bytes"]),
        ("comm", &["comm", "a.txt", "b.txt"]),
        ("join", &["join", "a.txt", "b.txt"]),
        ("paste", &["paste", "a.txt", "b.txt"]),
        ("uniq", &["uniq", "-c", "a.txt"]),
        ("nl", &["nl", "a.txt"]),
        ("tac", &["tac", "words"]),
        ("shuf-fixed", &["shuf", "--random-source=bytes", "a.txt"]),
        ("dd-out", &["dd", "if=bytes", "bs=512", "count=3", "status=none"]),
        ("test-true", &["test", "-L", "link"]),
        ("test-false", &["test", "words", "-nt", "words"]),
        ("uname", &["uname", "-a"]),
        ("nproc", &["nproc"]),
        ("printf", &["printf", "%s %d %x\\n", "a", "12", "255"]),
        ("dirname", &["dirname", "/a/b/c"]),
        ("sleep", &["sleep", "0.05"]),
        ("tty", &["tty"]),
        ("true-help", &["ls", "--help"]),
        ("numfmt", &["numfmt", "--to=iec", "1234567"]),
        ("pathchk", &["pathchk", "-p", "a:b"]),
    ];
    for (name, argv) in simple {
        let case = Case::new(format!("coreutils::{name}"), argv.iter().copied()).needs(&["ls"]);
        all.add(if *name == "tr" { case.stdin(scrambled(500)) } else { garden(case) });
    }
    let changing: &[(&str, &[&str])] = &[
        ("cp", &["cp", "words", "copy"]),
        ("cp-r", &["cp", "-r", "dir", "copy"]),
        ("cp-a", &["cp", "-a", "link", "dangling", "hard", "words", "dir/sub"]),
        ("cp-p", &["cp", "-p", "dir/two", "copy"]),
        ("cp-over", &["cp", "a.txt", "b.txt"]),
        ("cp-l", &["cp", "-l", "words", "copy"]),
        ("cp-s", &["cp", "-s", "words", "copy"]),
        ("cp-sparse", &["cp", "--sparse=always", "bytes", "copy"]),
        ("cp-missing", &["cp", "missing", "copy"]),
        ("mv", &["mv", "words", "moved"]),
        ("mv-dir", &["mv", "dir", "moved"]),
        ("mv-into", &["mv", "words", "a.txt", "dir"]),
        ("mv-over", &["mv", "a.txt", "b.txt"]),
        ("mv-into-itself", &["mv", "dir", "dir/sub"]),
        ("rm", &["rm", "words", "link"]),
        ("rm-r", &["rm", "-r", "dir"]),
        ("rm-dir", &["rm", "dir"]),
        ("rm-rv", &["rm", "-rv", "dir/sub"]),
        ("ln", &["ln", "words", "other"]),
        ("ln-s", &["ln", "-s", "words", "other"]),
        ("ln-sf", &["ln", "-sf", "words", "link"]),
        ("mkdir-p", &["mkdir", "-p", "new/a/b/c"]),
        ("mkdir-m", &["mkdir", "-m", "1750", "new"]),
        ("mkdir-exists", &["mkdir", "dir"]),
        ("rmdir", &["rmdir", "dir"]),
        ("touch", &["touch", "-d", "@1234567890", "words", "new"]),
        ("touch-r", &["touch", "-r", "words", "new"]),
        ("chmod", &["chmod", "-R", "u=rwX,go=", "dir"]),
        ("truncate", &["truncate", "-s", "+5K", "words", "new"]),
        ("dd", &["dd", "if=bytes", "of=copy", "bs=777", "status=none"]),
        (
            "dd-conv",
            &["dd", "if=words", "of=words2", "bs=4k", "count=2", "seek=3", "conv=ucase", "status=none"],
        ),
        (
            "dd-notrunc",
            &["dd", "if=/dev/zero", "of=words", "bs=1", "count=5", "seek=10", "conv=notrunc", "status=none"],
        ),
        ("split", &["split", "-l", "500", "words", "part-"]),
        ("csplit", &["csplit", "-s", "a.txt", "/gamma/"]),
        ("tee", &["tee", "copy"]),
        ("sort-o", &["sort", "-o", "words", "words"]),
        ("install", &["install", "-m", "700", "-D", "words", "new/place/w"]),
        ("mkfifo", &["mkfifo", "-m", "600", "pipe"]),
        ("unlink", &["unlink", "hard"]),
        ("link", &["link", "words", "other"]),
        ("shred", &["shred", "-n", "1", "-z", "a.txt"]),
    ];
    for (name, argv) in changing {
        all.both(
            |full| garden(Case::new(full, argv.iter().copied())).needs(&["ls"]).stdin("from input\n"),
            &format!("coreutils::{name}"),
        );
    }
}

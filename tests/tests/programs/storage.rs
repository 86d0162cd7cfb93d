//! Programs that keep data and must not lose it: sqlite and git.

use std::fs;
use std::path::Path;

use fncall_tests::case::Case;

use crate::{Collection, garden, host};

pub fn sqlite(all: &mut Collection) {
    const FILL: &str = "create table t(id integer primary key, name text, n real); begin; with recursive c(i) as (select 1 union all select i+1 from c where i<100000) insert into t select i, 'name-'||i, i*0.5 from c; commit; create index x on t(name); select count(*), sum(n), max(name) from t; select * from t where name='name-777';";
    all.both(
        |n| Case::new(n, ["sqlite3", "test.db", FILL]).needs(&["sqlite3"]).opaque("test.db"),
        "sqlite::hundred-thousand-inserts",
    );
    all.both(|n| Case::new(n, ["sqlite3", "test.db"]).needs(&["sqlite3"]).opaque("test.db").stdin((0..5000).map(|i| format!("insert into t values({i},'row {i}');\n")).fold("create table t(a,b); begin;\n".to_owned(), |s, l| s + &l) + "commit; select count(*), sum(a) from t; delete from t where a%2; vacuum; select count(*) from t;\n"), "sqlite::statements");
    all.both(|n| Case::new(n, ["sqlite3", "test.db", "create table t(a); insert into t values(1); insert into t values(2); update t set a=a+1; select * from t; drop table t;"]).needs(&["sqlite3"]).opaque("test.db"), "sqlite::small-transactions");
    // libaio: writes and reads back what it wrote, sixteen requests at a time; the fifth field is the error.
    let fio = "fio --name=t --ioengine=libaio --rw=randrw --bs=4k --size=2m --iodepth=16 --verify=crc32c --minimal | cut -d';' -f 5; rm -f t.0.0 local-t-0-verify.state; ls";
    all.both(|n| Case::new(n, ["bash", "-c", fio]).needs(&["fio"]).seconds(60), "fio::libaio");
    all.both(|n| Case::new(n, ["sqlite3", "test.db", "pragma journal_mode=wal; create table t(a); insert into t values(1),(2); select sum(a) from t; pragma wal_checkpoint; pragma integrity_check;"]).needs(&["sqlite3"]).opaque("test.db"), "sqlite::write-ahead-log");
    let make = |dir: &Path| {
        host(dir, &["sqlite3", "old.db", "create table t(a,b); insert into t values(1,'x'),(2,'y');"])
    };
    all.add(
        Case::new(
            "sqlite::query-existing",
            ["sqlite3", "-readonly", "-header", "-csv", "old.db", "select * from t order by a desc"],
        )
        .needs(&["sqlite3"])
        .setup(make),
    );
    all.both(
        move |n| {
            Case::new(n, ["sqlite3", "old.db", "insert into t values(3,'z'); select count(*) from t;"])
                .needs(&["sqlite3"])
                .opaque("old.db")
                .setup(make)
        },
        "sqlite::change-existing",
    );
    all.both(
        move |n| {
            Case::new(n, ["sqlite3", "old.db", ".backup copy.db", ".dump"])
                .needs(&["sqlite3"])
                .opaque("copy.db")
                .setup(make)
        },
        "sqlite::backup",
    );
    all.add(
        Case::new("sqlite::reopen [write]", ["sqlite3", "test.db", FILL])
            .needs(&["sqlite3"])
            .then(["sqlite3", "test.db", "select count(*), sum(n) from t; pragma integrity_check; delete from t where id > 10; select count(*) from t"])
            .then(["sqlite3", "test.db", "select * from t"])
            .opaque("test.db")
            .write(),
    );
    all.add(Case::new("sqlite::error", ["sqlite3", "test.db", "select * from missing"]).needs(&["sqlite3"]));
}

pub fn git(all: &mut Collection) {
    const GIT: &str = "/usr/bin/git";
    const QUIET: &[&str] = &[
        "-c",
        "gc.auto=0",
        "-c",
        "maintenance.auto=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "init.defaultBranch=main",
        "-c",
        "advice.detachedHead=false",
    ];
    let command = |args: &[&'static str]| -> Vec<&'static str> {
        std::iter::once(GIT).chain(QUIET.iter().copied()).chain(["-P"]).chain(args.iter().copied()).collect()
    };
    let identity = |case: Case| {
        case.needs(&["git"])
            .env("GIT_AUTHOR_NAME", "A")
            .env("GIT_AUTHOR_EMAIL", "a@example.org")
            .env("GIT_COMMITTER_NAME", "C")
            .env("GIT_COMMITTER_EMAIL", "c@example.org")
            .env("GIT_AUTHOR_DATE", "2001-01-01T00:00:00Z")
            .env("GIT_COMMITTER_DATE", "2001-01-02T00:00:00Z")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .opaque(".git/index")
    };
    let repository = |dir: &Path| {
        fs::write(dir.join("README"), "read me\n")?;
        let script = "export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@x GIT_AUTHOR_DATE=2001-01-01T00:00:00Z GIT_COMMITTER_DATE=2001-01-01T00:00:00Z HOME=$PWD; \
            /usr/bin/git -c init.defaultBranch=main init -q . && /usr/bin/git add -A && /usr/bin/git commit -qm first && echo more >> README && /usr/bin/git commit -qam second && echo uncommitted >> README && echo new > untracked";
        host(dir, &["sh", "-c", script])
    };
    all.both(|n| identity(Case::new(n, command(&["init", "-q", "repo"]))), "git::init");
    let readers: &[(&str, &[&str])] = &[
        ("log", &["log"]),
        ("log-stat", &["log", "--stat", "-p"]),
        ("status", &["status"]),
        ("status-short", &["status", "--short", "--branch"]),
        ("diff", &["diff"]),
        ("show", &["show", "HEAD~1"]),
        ("ls-files", &["ls-files", "-s"]),
        ("cat-file", &["cat-file", "-p", "HEAD^{tree}"]),
        ("rev-parse", &["rev-parse", "HEAD", "--show-toplevel"]),
        ("blame", &["blame", "HEAD", "--", "README"]),
        ("count-objects", &["count-objects", "-v"]),
        ("branch", &["branch", "-av"]),
        ("grep", &["-c", "grep.threads=1", "grep", "-n", "me"]),
        ("config", &["config", "--list", "--local"]),
    ];
    for (name, args) in readers {
        let args: &'static [&'static str] = args;
        all.both(
            |n| identity(garden(Case::new(n, command(args)))).setup(repository),
            &format!("git::{name}"),
        );
    }
    let writers: &[(&str, &[&str])] = &[
        ("add", &["add", "-A"]),
        ("commit", &["commit", "-q", "-a", "-m", "third"]),
        ("commit-allow-empty", &["commit", "-q", "--allow-empty", "-m", "empty"]),
        ("rm", &["rm", "-q", "--cached", "a.txt"]),
        ("mv", &["mv", "a.txt", "renamed"]),
        ("branch-new", &["branch", "topic"]),
        ("tag", &["tag", "v1"]),
        ("checkout", &["checkout", "-q", "HEAD~1", "--", "README"]),
        ("reset-hard", &["reset", "-q", "--hard"]),
        ("hash-object", &["hash-object", "-w", "words"]),
    ];
    for (name, args) in writers {
        let args: &'static [&'static str] = args;
        all.both(
            |n| identity(garden(Case::new(n, command(args)))).setup(repository),
            &format!("git::{name}"),
        );
    }
    all.add(
        identity(garden(Case::new("git::whole-life [write]", command(&["init", "-q", "."]))))
            .then(command(&["add", "."]))
            .then(command(&["commit", "-q", "-m", "one"]))
            .then(command(&["status", "--short"]))
            .then(command(&["log", "--stat"]))
            .then(command(&["mv", "a.txt", "z.txt"]))
            .then(command(&["commit", "-q", "-m", "two"]))
            .then(command(&["log", "--name-status", "--oneline"]))
            .write(),
    );
}

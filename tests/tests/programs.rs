//! Real programs, from the distribution and from compilers here, on the host and on fncall.
//!
//! None of them starts another process or thread. Cases that change files come twice: on the overlay, where the
//! host's files must stay untouched, and with `[write]`, where they must change as the host changes them.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use fncall_tests::case::Case;
use fncall_tests::cc::{self, CompileError, Flavor};
use fncall_tests::suite;
use libtest_mimic::Trial;

fn main() {
    let args = suite::begin();
    let mut all = Collection::default();
    busybox(&mut all);
    coreutils(&mut all);
    text_tools(&mut all);
    archives(&mut all);
    python(&mut all);
    languages(&mut all);
    sqlite(&mut all);
    git(&mut all);
    binaries(&mut all);
    compiled(&mut all);
    scripts(&mut all);
    suite::finish(&args, all.trials);
}

#[derive(Default)]
struct Collection {
    trials: Vec<Trial>,
}

impl Collection {
    fn add(&mut self, case: Case) {
        self.trials.push(case.into());
    }

    /// A case that changes files: on the overlay and for real.
    fn both(&mut self, case: impl Fn(String) -> Case, name: &str) {
        self.add(case(name.to_owned()));
        self.add(case(format!("{name} [write]")).write());
    }

    /// Many one-line commands of one program, in a directory with some files.
    fn lines(&mut self, group: &str, program: &'static str, lines: &[(&str, &[&str])]) {
        for (name, args) in lines {
            let argv: Vec<OsString> =
                std::iter::once(program).chain(args.iter().copied()).map(OsString::from).collect();
            self.add(garden(Case::new(format!("{group}::{name}"), argv).needs(&[program])));
        }
    }
}

/// Numbered lines in a scrambled but fixed order.
fn scrambled(lines: u64) -> String {
    (0..lines).map(|i| format!("{} line {i} of some text\n", i * 7919 % lines)).collect()
}

/// A directory with a bit of everything.
fn garden(case: Case) -> Case {
    case.file("words", scrambled(2000))
        .file("a.txt", "alpha\nbeta\ngamma\ndelta\n")
        .file("b.txt", "alpha\nbeta\nGAMMA\nepsilon\n")
        .file("empty", "")
        .file("bytes", (0..=255u8).cycle().take(100_000).collect::<Vec<_>>())
        .file("dir/one", "1\n")
        .file("dir/two", "22\n")
        .file("dir/sub/three", "333\n")
        .setup(|dir| {
            symlink("a.txt", dir.join("link"))?;
            symlink("nowhere", dir.join("dangling"))?;
            fs::hard_link(dir.join("b.txt"), dir.join("hard"))?;
            fs::set_permissions(dir.join("dir/two"), fs::Permissions::from_mode(0o600))
        })
}

fn busybox(all: &mut Collection) {
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

fn coreutils(all: &mut Collection) {
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
        ("cp-a", &["cp", "-a", "dir", "link", "dangling", "hard", "dir/sub"]),
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

fn text_tools(all: &mut Collection) {
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

fn archives(all: &mut Collection) {
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

const PYTHON: &str = "/usr/bin/python3";

fn python(all: &mut Collection) {
    let programs: &[(&str, &str)] = &[
        ("hello", "print('hello')"),
        (
            "json",
            "import json; d={'a':[1,2.5,None,True],'b':{'c':'\\u00e9'}}; s=json.dumps(d,sort_keys=True); print(s, json.loads(s)==d); print(json.dumps(list(range(20000)))[-50:])",
        ),
        (
            "hashlib",
            "import hashlib; b=bytes(range(256))*1000\nfor n in ('md5','sha1','sha256','sha512','blake2b','sha3_256'): print(n, hashlib.new(n,b).hexdigest())",
        ),
        (
            "walk",
            "import os\nn=0\nfor r,d,f in os.walk('/usr/include'):\n d.sort(); n+=len(f)\nprint(n)\nfor r,d,f in sorted(os.walk('.')): print(r,sorted(d),sorted(f))",
        ),
        (
            "tempfile",
            "import tempfile,os\nwith tempfile.TemporaryDirectory() as d:\n p=os.path.join(d,'x'); open(p,'w').write('t'*10000); print(os.path.getsize(p), os.listdir(d))\nprint(os.path.exists(d))\nf=tempfile.TemporaryFile(); f.write(b'abc'); f.seek(1); print(f.read())\nwith tempfile.NamedTemporaryFile(delete=False) as n: n.write(b'z')\nprint(os.stat(n.name).st_mode & 0o777)",
        ),
        (
            "mmap",
            "import mmap\nf=open('m','w+b'); f.write(b'\\0'*10000); f.flush()\nm=mmap.mmap(f.fileno(),0); m[5:10]=b'hello'; m.flush(); print(m.find(b'hello'), m.size()); m.resize(20000); m[19999]=1; print(len(m)); m.close(); f.seek(5); print(f.read(5)); a=mmap.mmap(-1,4096); a[0]=7; print(a[0],a[1])",
        ),
        (
            "re",
            "import re; t=open('words').read(); print(len(re.findall(r'(\\d+) line (\\d+)',t)), re.sub(r'\\d','#',t[:60]), bool(re.match('x','y')))",
        ),
        (
            "decimal",
            "from decimal import *; getcontext().prec=100; print(Decimal(2).sqrt(), Decimal(1)/Decimal(7))",
        ),
        (
            "floats",
            "import math,struct; print(math.sin(1.5), math.e**10, [math.gamma(x/3) for x in range(1,10)]); print(struct.pack('<dfi',1.1,2.2,3).hex(), sum(0.1 for _ in range(10000)))",
        ),
        (
            "exceptions",
            "try:\n 1/0\nexcept ZeroDivisionError as e: print(e)\ntry:\n open('/no/such')\nexcept OSError as e: print(e.errno, e)\nraise SystemExit(7)",
        ),
        ("traceback", "def f(n): return f(n-1) if n else undefined\nf(5)"),
        ("recursion", "def f(n): return f(n+1)\ntry:\n f(0)\nexcept RecursionError as e: print('deep')"),
        (
            "os",
            "import os,stat\nos.mkdir('nd'); os.symlink('words','nl'); os.link('words','nh'); os.rename('a.txt','nd/a'); os.chmod('words',0o640); os.truncate('words',100); os.utime('words',(1,2))\nprint(os.stat('words').st_nlink, oct(os.stat('words').st_mode), os.readlink('nl'), os.listdir('nd'), os.stat('words').st_mtime)\nos.remove('nl'); os.replace('nh','nd/h'); print(sorted(os.listdir('.')), os.path.samefile('words','nd/h'))\nfd=os.open('fd',os.O_RDWR|os.O_CREAT|os.O_EXCL); os.write(fd,b'12345'); os.lseek(fd,1,0); print(os.read(fd,3), os.pread(fd,2,3), os.fstat(fd).st_size); os.close(fd)\nr,w=os.pipe(); os.write(w,b'pp'); print(os.read(r,9)); print(os.getcwd()==os.path.realpath('.'))\ntry: os.rmdir('nd')\nexcept OSError as e: print(e.strerror)",
        ),
        (
            "shutil",
            "import shutil,os\nshutil.copytree('dir','copy'); shutil.move('words','copy/w'); shutil.copy2('b.txt','b2'); print(sorted(os.listdir('copy'))); shutil.rmtree('dir'); print(os.path.exists('dir'), shutil.disk_usage('.').total>0); print(shutil.which('ls'))",
        ),
        (
            "signals",
            "import signal,os\ngot=[]\nsignal.signal(signal.SIGUSR1,lambda s,f: got.append(s)); os.kill(os.getpid(),signal.SIGUSR1); print(got)\nsignal.setitimer(signal.ITIMER_REAL,0.02); signal.signal(signal.SIGALRM,lambda s,f: got.append(s)); signal.pause(); print(got)\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: print('interrupted')",
        ),
        (
            "select",
            "import select,os\nr,w=os.pipe(); p=select.poll(); p.register(r,select.POLLIN); print(p.poll(5)); os.write(w,b'x'); print(p.poll(5)==[(r,1)], select.select([r],[w],[],0)==([r],[w],[])); e=select.epoll(); e.register(r,select.EPOLLIN); print(e.poll(0)==[(r,1)])",
        ),
        (
            "time",
            "import time,datetime\na=time.monotonic(); time.sleep(0.02); print(time.monotonic()-a>=0.02, time.process_time()>0, time.strftime('%Y',time.gmtime(0)), datetime.datetime.fromtimestamp(86400,datetime.timezone.utc))",
        ),
        (
            "zlib",
            "import zlib,bz2,lzma,io,gzip; b=open('words','rb').read()\nfor m in (zlib,bz2,lzma): print(m.__name__, m.decompress(m.compress(b))==b, len(m.compress(b)))",
        ),
        (
            "zipfile",
            "import zipfile\nz=zipfile.ZipFile('x.zip','w'); z.writestr(zipfile.ZipInfo('a',(2000,1,1,0,0,0)),'data'*100); z.close(); print(zipfile.ZipFile('x.zip').namelist(), zipfile.ZipFile('x.zip').read('a')[:8])",
        ),
        (
            "sqlite",
            "import sqlite3\nc=sqlite3.connect('x.db'); c.execute('create table t(a,b)'); c.executemany('insert into t values(?,?)',[(i,i*i) for i in range(1000)]); c.commit(); print(c.execute('select sum(b) from t').fetchone()); c.close()",
        ),
        (
            "csv",
            "import csv,io\nw=csv.writer(open('c.csv','w',newline='')); w.writerows([[i,'a,b',None] for i in range(100)])\nprint(sum(int(r[0]) for r in csv.reader(open('c.csv'))))",
        ),
        (
            "pickle",
            "import pickle; d={i:str(i)*3 for i in range(5000)}; pickle.dump(d,open('p','wb')); print(pickle.load(open('p','rb'))==d)",
        ),
        ("big-integers", "print(3**5000 % 10**50, len(str(7**20000)))"),
        (
            "allocation",
            "x=[bytearray(1<<20) for _ in range(64)]; x=None; y=[[i] for i in range(300000)]; print(len(y)); import gc; print(gc.collect()>=0)",
        ),
        (
            "locale",
            "import locale,sys; print(sys.getfilesystemencoding(), locale.setlocale(locale.LC_ALL,'C')); print('\\u20ac'.encode())",
        ),
        (
            "platform",
            "import platform,sys,os; print(platform.system(), platform.machine(), sys.platform, os.cpu_count()>0, os.uname().release==platform.release())",
        ),
        (
            "resource",
            "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0]>0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss>1000); resource.setrlimit(resource.RLIMIT_NOFILE,(50,50)); \ntry:\n fs=[open('/dev/null') for _ in range(60)]\nexcept OSError as e: print(e.strerror)",
        ),
        (
            "fcntl",
            "import fcntl,os\nf=open('lock','w'); fcntl.flock(f,fcntl.LOCK_EX); fcntl.lockf(f,fcntl.LOCK_EX|fcntl.LOCK_NB); g=open('lock','w')\ntry: fcntl.flock(g,fcntl.LOCK_EX|fcntl.LOCK_NB)\nexcept OSError as e: print(e.errno)",
        ),
        (
            "ctypes",
            "import ctypes; l=ctypes.CDLL(None); print(l.abs(-5)); cb=ctypes.CFUNCTYPE(ctypes.c_int,ctypes.POINTER(ctypes.c_int),ctypes.POINTER(ctypes.c_int)); a=(ctypes.c_int*5)(5,3,1,4,2); l.qsort(a,5,4,cb(lambda x,y:x[0]-y[0])); print(list(a))",
        ),
        (
            "random-seeded",
            "import random; random.seed(5); print([random.randint(0,99) for _ in range(10)]); import secrets; print(len(secrets.token_hex(16)))",
        ),
    ];
    for (name, program) in programs {
        let unstable: &'static [&'static str] = if *name == "sqlite" { &["x.db"] } else { &[] };
        all.both(
            |full| {
                let case = garden(Case::new(full, [PYTHON, "-c", program]))
                    .needs(&["python3"])
                    .env("PYTHONDONTWRITEBYTECODE", "1")
                    .env("PYTHONHASHSEED", "0");
                unstable.iter().fold(case, |case, file| case.opaque(file))
            },
            &format!("python::{name}"),
        );
    }
    let sources = |case: Case| {
        (0..20).fold(case, |case, i| {
            case.setup(move |dir| {
                fs::write(
                    dir.join(format!("m{i}.py")),
                    format!(
                        "import os\ndef f{i}(x):\n    return [x * {i} for _ in range(x)]\nprint(f{i}(3))\n"
                    ),
                )
            })
        })
    };
    all.both(
        move |n| sources(Case::new(n, [PYTHON, "-m", "compileall", "-q", "."])).needs(&["python3"]),
        "python::compileall",
    );
    all.both(move |n| sources(Case::new(n, [PYTHON, "m7.py"])).needs(&["python3"]), "python::run-file");
    all.add(
        sources(Case::new("python::stdin", [PYTHON, "-"]))
            .needs(&["python3"])
            .stdin("import sys\nprint(sys.argv, 6*7)\n"),
    );
    all.add(Case::new("python::help", [PYTHON, "--help"]).needs(&["python3"]));
    all.add(
        Case::new("python::json-tool", [PYTHON, "-m", "json.tool"])
            .needs(&["python3"])
            .stdin("{\"a\": [1, 2]}"),
    );
    all.add(Case::new("python::unittest", [PYTHON, "-c", "import unittest\nclass T(unittest.TestCase):\n def test_a(self): self.assertEqual(1,1)\nr=unittest.TextTestRunner(stream=open('/dev/null','w')).run(unittest.defaultTestLoader.loadTestsFromTestCase(T)); print(r.testsRun, r.wasSuccessful())"]).needs(&["python3"]));
}

fn languages(all: &mut Collection) {
    let perl: &[(&str, &str)] = &[
        ("hello", "print \"hello\\n\""),
        (
            "regex",
            "open F,'words'; my %h; while(<F>){ $h{$1}++ if /(\\d) line/ } print map {\"$_ $h{$_}\\n\"} sort keys %h",
        ),
        (
            "files",
            "mkdir 'nd'; open F,'>nd/f'; print F 'x' x 5000; close F; print -s 'nd/f', ' ', join(',',sort glob('*')), \"\\n\"; rename 'nd/f','g'; unlink 'words'; rmdir 'nd' or die; print -e 'nd' ? 1:0, \"\\n\"; symlink 'g','s'; print readlink('s'), \"\\n\"",
        ),
        ("sort", "open F,'words'; print sort { ($a =~ /^(\\d+)/)[0] <=> ($b =~ /^(\\d+)/)[0] } <F>"),
        (
            "modules",
            "use Digest::SHA qw(sha256_hex); use File::Find; use Data::Dumper; $Data::Dumper::Sortkeys=1; print sha256_hex('x'), \"\\n\"; my @f; find(sub{push @f,$File::Find::name},'dir'); print Dumper([sort @f])",
        ),
        (
            "signals",
            "$SIG{ALRM}=sub{print \"alarm\\n\"; die \"done\\n\"}; eval { alarm 1; select(undef,undef,undef,5) }; print $@; $SIG{USR1}=sub{print \"usr1\\n\"}; kill USR1=>$$; print \"end\\n\"",
        ),
        ("die", "$!=3; die 'reason'"),
        ("sprintf", "printf \"%.10f %e %g %s\\n\", 3.14159265358979, 1e100, 0.1, 2**0.5"),
    ];
    for (name, program) in perl {
        all.both(
            |full| garden(Case::new(full, ["perl", "-e", program])).needs(&["perl"]),
            &format!("perl::{name}"),
        );
    }
    let lua: &[(&str, &str)] = &[
        ("hello", "print('hello', _VERSION)"),
        (
            "tables",
            "local t={} for i=1,100000 do t[i]=i*i%1009 end table.sort(t) print(t[1],t[50000],t[100000])",
        ),
        (
            "files",
            "local f=assert(io.open('out','w')) f:write(('x'):rep(100000)) f:close() print(io.open('out'):seek('end')) os.rename('out','in') print(os.remove('in'), io.open('in')) for l in io.lines('a.txt') do io.write('[',l,']') end print()",
        ),
        (
            "strings",
            "print(('hello world'):gsub('o','0'), string.format('%5.2f %q', 3.14159, 'a\\nb'), #string.rep('ab',1000))",
        ),
        ("error", "error('boom')"),
        (
            "coroutines",
            "local c=coroutine.wrap(function() for i=1,3 do coroutine.yield(i) end end) print(c(),c(),c())",
        ),
        (
            "os",
            "print(os.getenv('TZ'), os.date('!%Y-%m-%d',0), os.clock()>=0, os.time{year=2000,month=1,day=1,hour=0})",
        ),
        ("exit", "os.exit(9)"),
    ];
    for (name, program) in lua {
        all.both(
            |full| garden(Case::new(full, ["lua5.4", "-e", program])).needs(&["lua5.4"]),
            &format!("lua::{name}"),
        );
    }
    all.both(|n| garden(Case::new(n, ["dash", "-c", "x=0; for f in *; do x=$((x+1)); done; echo $x; echo one > new; echo two >> new; while read l; do echo \"got $l\"; done < new; cd dir; [ -f one ] && echo yes; umask 077; : > private; set -- a b c; echo $# \"$*\"; exit 3"])).needs(&["dash"]), "dash::builtins");
    all.both(|n| garden(Case::new(n, ["bash", "-c", "a=(1 2 3); echo ${#a[@]} ${a[@]/2/x}; printf '%s\\n' *; [[ words =~ ^w.r ]] && echo match; echo text > new; read -r l < new; echo \"$l\"; mapfile -t m < a.txt; echo ${#m[@]}; echo $((2**62)); declare -A h=([k]=v); echo ${h[k]}; exit 4"])).needs(&["bash"]), "bash::builtins");
}

fn sqlite(all: &mut Collection) {
    const FILL: &str = "create table t(id integer primary key, name text, n real); begin; with recursive c(i) as (select 1 union all select i+1 from c where i<100000) insert into t select i, 'name-'||i, i*0.5 from c; commit; create index x on t(name); select count(*), sum(n), max(name) from t; select * from t where name='name-777';";
    all.both(
        |n| Case::new(n, ["sqlite3", "test.db", FILL]).needs(&["sqlite3"]).opaque("test.db"),
        "sqlite::hundred-thousand-inserts",
    );
    all.both(|n| Case::new(n, ["sqlite3", "test.db"]).needs(&["sqlite3"]).opaque("test.db").stdin((0..5000).map(|i| format!("insert into t values({i},'row {i}');\n")).fold("create table t(a,b); begin;\n".to_owned(), |s, l| s + &l) + "commit; select count(*), sum(a) from t; delete from t where a%2; vacuum; select count(*) from t;\n"), "sqlite::statements");
    all.both(|n| Case::new(n, ["sqlite3", "test.db", "create table t(a); insert into t values(1); insert into t values(2); update t set a=a+1; select * from t; drop table t;"]).needs(&["sqlite3"]).opaque("test.db"), "sqlite::small-transactions");
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

fn git(all: &mut Collection) {
    const GIT: &str = "/usr/bin/git";
    const QUIET: &[&str] = &[
        "-c",
        "gc.auto=0",
        "-c",
        "maintenance.auto=false",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        // fsck would start another git to look at it.
        "core.commitGraph=false",
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
        ("blame", &["blame", "README"]),
        ("fsck", &["fsck", "--no-progress"]),
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

fn binaries(all: &mut Collection) {
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
    all.add(Case::new("ld.so::preload-missing", ["/bin/echo", "x"]).env("LD_PRELOAD", "/no/such.so"));
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

fn compiled(all: &mut Collection) {
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

fn scripts(all: &mut Collection) {
    let script = |name: &'static str, text: &'static str| {
        move |dir: &Path| -> io::Result<()> {
            fs::write(dir.join(name), text)
                .and_then(|()| fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)))
        }
    };
    all.add(
        Case::new("script::dash", ["./s", "one", "two words"])
            .needs(&["dash"])
            .setup(script("s", "#!/bin/dash\necho \"$0 $# $1 $2\"\nexit 6\n")),
    );
    all.add(Case::new("script::option", ["./s", "x"]).setup(script("s", "#! /bin/echo  -n  two words \n")));
    all.add(
        Case::new("script::python", ["./s", "x"])
            .needs(&["python3"])
            .setup(script("s", "#!/usr/bin/python3 -I\nimport sys\nprint(sys.argv)\n")),
    );
    all.add(
        Case::new("script::busybox", ["./s", "/"])
            .needs(&["busybox"])
            .setup(script("s", "#!/bin/busybox ls\n")),
    );
    all.add(
        Case::new("script::chain", ["./a", "x"])
            .setup(script("a", "#!./b A\n"))
            .setup(script("b", "#!/bin/echo B\n")),
    );
    all.add(
        Case::new("script::perl", ["./s"])
            .needs(&["perl"])
            .setup(script("s", "#!/usr/bin/perl -w\nprint \"$0\\n\"; print __FILE__, \"\\n\";\n")),
    );
    all.add(
        Case::new("script::env", ["./s", "arg"])
            .needs(&["python3"])
            .setup(script("s", "#!/usr/bin/env python3\nimport sys\nprint(len(sys.argv))\n")),
    );
    all.add(
        Case::new("script::awk", ["./s", "data"])
            .needs(&["mawk"])
            .file("data", "a b\nc d\n")
            .setup(script("s", "#!/usr/bin/mawk -f\n{ print $2 }\n")),
    );
}

/// Prepares files with a program of the host.
fn host(dir: &Path, argv: &[&str]) -> io::Result<()> {
    let output = Command::new(argv[0])
        .args(&argv[1..])
        .current_dir(dir)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

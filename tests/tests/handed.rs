//! Sockets of the host that a program is started with: as its standard input, as inetd(8) and service managers do it.
//!
//! Each scene runs a program with a socket as its standard input and plays the other side, once on the host and once on
//! fncall; what both sides saw must be the same. A few promises are of fncall alone.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fncall_tests::run::PATH;
use fncall_tests::suite;

/// How long either side waits for the other.
const LIMIT: Option<Duration> = Some(Duration::from_secs(20));
const PYTHON: &str = "/usr/bin/python3";
/// Before each program: the socket, and how to print the error of a call.
const PROLOGUE: &str = "
import socket, os, stat, signal, struct, select, errno, sys
s = socket.socket(fileno=os.dup(0))
def t(f, *a):
    try: r = f(*a)
    except OSError as e: r = errno.errorcode[e.errno]
    print(r, flush=True)
";

type Other = fn(&mut Stage) -> std::io::Result<()>;
type Result = std::result::Result<(), String>;

/// A running program, and what the other side of its socket has seen.
struct Stage<'a> {
    start: &'a mut dyn FnMut(OwnedFd) -> std::io::Result<Child>,
    child: Option<Child>,
    seen: String,
}

impl Stage<'_> {
    fn start(&mut self, socket: impl Into<OwnedFd>) -> std::io::Result<()> {
        self.child = Some((self.start)(socket.into())?);
        Ok(())
    }

    /// Waits for a line of the program, so that what comes next comes after it.
    fn line(&mut self) -> std::io::Result<()> {
        let Some(out) = self.child.as_mut().and_then(|child| child.stdout.as_mut()) else { return Ok(()) };
        let mut byte = [0];
        while out.read(&mut byte)? == 1 {
            self.seen.push(byte[0] as char);
            if byte[0] == b'\n' {
                break;
            }
        }
        Ok(())
    }

    fn saw(&mut self, bytes: &[u8]) {
        let _ = writeln!(self.seen, "other side: {}", bytes.escape_ascii());
    }

    /// The end of the program: what it printed, and its status.
    fn end(mut self) -> std::io::Result<String> {
        if let Some(child) = self.child.take() {
            let output = child.wait_with_output()?;
            self.seen.push_str(&String::from_utf8_lossy(&output.stdout));
            let _ =
                write!(self.seen, "{:?}\n{}", output.status.code(), String::from_utf8_lossy(&output.stderr));
        }
        Ok(self.seen)
    }
}

fn stream(stage: &mut Stage) -> std::io::Result<()> {
    let (mut mine, theirs) = UnixStream::pair()?;
    mine.set_read_timeout(LIMIT)?;
    stage.start(theirs)?;
    mine.write_all(b"hello")?;
    let mut got = [0; 5];
    mine.read_exact(&mut got)?;
    stage.saw(&got);
    mine.write_all(b"123")?;
    mine.write_all(b"456789")?;
    let mut all = Vec::new();
    mine.read_to_end(&mut all)?;
    stage.saw(format!("{} bytes", all.len()).as_bytes());
    mine.shutdown(std::net::Shutdown::Write)
}

fn datagrams(stage: &mut Stage) -> std::io::Result<()> {
    let (mine, theirs) = UnixDatagram::pair()?;
    mine.set_read_timeout(LIMIT)?;
    mine.send(b"first")?;
    mine.send(b"second one")?;
    stage.start(theirs)?;
    let mut got = [0; 99];
    let count = mine.recv(&mut got)?;
    stage.saw(&got[..count]);
    Ok(())
}

fn listener(stage: &mut Stage) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let at = listener.local_addr()?;
    stage.start(listener)?;
    stage.line()?;
    for n in 0..3 {
        let mut client = TcpStream::connect(at)?;
        client.set_read_timeout(LIMIT)?;
        // In one piece: the program reads once.
        client.write_all(format!("request {n}\n").as_bytes())?;
        let mut all = Vec::new();
        client.read_to_end(&mut all)?;
        stage.saw(&all);
    }
    Ok(())
}

fn udp(stage: &mut Stage) -> std::io::Result<()> {
    let theirs = UdpSocket::bind("127.0.0.1:0")?;
    let at = theirs.local_addr()?;
    let mine = UdpSocket::bind("127.0.0.1:0")?;
    mine.set_read_timeout(LIMIT)?;
    stage.start(theirs)?;
    mine.send_to(b"question", at)?;
    let mut got = [0; 99];
    let (count, from) = mine.recv_from(&mut got)?;
    stage.saw(&got[..count]);
    stage.saw(if from == at { b"from there" } else { b"from elsewhere" });
    Ok(())
}

fn silent(stage: &mut Stage) -> std::io::Result<()> {
    let (mine, theirs) = UnixStream::pair()?;
    stage.start(theirs)?;
    stage.line()?;
    // Until the program has ended.
    while let Some(child) = &mut stage.child
        && child.try_wait()?.is_none()
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(mine);
    Ok(())
}

/// Name, other side, program.
const SCENES: &[(&str, Other, &str)] = &[
    (
        "stream",
        stream,
        "
print(s.family, s.type, s.proto, stat.S_ISSOCK(os.fstat(0).st_mode), repr(s.getsockname()), repr(s.getpeername()))
t(s.recv, 99, socket.MSG_PEEK); t(s.recv, 99); t(s.send, b'HELLO')
t(s.recv, 9, socket.MSG_WAITALL)
t(s.recv, 9, socket.MSG_DONTWAIT)
s.sendall(b'x' * 3000000); s.shutdown(1); t(s.send, b'x')
t(s.recv, 9)
for o in (socket.SO_TYPE, socket.SO_DOMAIN, socket.SO_PROTOCOL, socket.SO_ERROR, socket.SO_ACCEPTCONN): t(s.getsockopt, 1, o)
t(s.setsockopt, 1, socket.SO_RCVBUF, 8192); t(s.getsockopt, 1, socket.SO_RCVBUF)
t(s.getsockopt, 6, 1); t(s.accept); t(s.listen)
",
    ),
    (
        "datagrams",
        datagrams,
        "
t(s.recv, 99); t(s.recvmsg, 3); s.setblocking(False); t(s.recv, 99); s.setblocking(True); t(s.send, b'answer')
p = select.poll(); p.register(s); print(p.poll(0)[0][1] & 5)
",
    ),
    (
        "listener",
        listener,
        "
print('ready', s.getsockopt(1, socket.SO_ACCEPTCONN), flush=True)
t(s.listen, 9); t(s.recv, 9)
for _ in range(3):
    c, a = s.accept(); f = c.makefile('rw'); l = f.readline(); f.write('got ' + l); f.close()
    print(a[0], stat.S_ISSOCK(os.fstat(c.fileno()).st_mode), c.getsockname() == s.getsockname()); c.close()
s.setblocking(False); t(s.accept)
",
    ),
    (
        "listener-in-children",
        listener,
        "
print('ready', flush=True)
for _ in range(3):
    if not os.fork():
        c, a = s.accept(); e = select.epoll(); e.register(c, select.EPOLLIN); e.poll(); d = c.recv(99); c.sendall(d.upper()); os._exit(0)
for _ in range(3): print(os.wait()[1])
",
    ),
    ("udp", udp, "d, a = s.recvfrom(99); print(d); t(s.sendto, b'answer', a)\n"),
    (
        "interrupted",
        silent,
        "
class Late(Exception): pass
def late(*_): raise Late
signal.signal(signal.SIGALRM, late)
print('ready', flush=True)
for f in (lambda: s.recv(1), lambda: os.read(0, 1), lambda: s.sendall(b'x' * 9000000)):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try: f()
    except Late: print('interrupted')
",
    ),
    (
        "patience",
        silent,
        "
print('ready', flush=True)
s.setsockopt(1, socket.SO_RCVTIMEO, struct.pack('qq', 0, 30000)); t(s.recv, 1)
t(lambda: struct.unpack('qq', s.getsockopt(1, socket.SO_RCVTIMEO, 16)))
",
    ),
];

/// Promises of fncall alone: no way further into the host than the socket itself.
const REFUSED: &[(&str, Other, &str, &str)] = &[
    (
        "no-descriptors",
        stream,
        "
s.recv(5); t(socket.send_fds, s, [b'HELLO'], [1]); s.send(b'HELLO'); s.recv(9, socket.MSG_WAITALL); s.shutdown(1)
t(s.setsockopt, 1, 26, b'x' * 16); t(s.getsockopt, 1, 77)
",
        "other side: HELLO\nother side: 0 bytes\nENOTSUP\nENOPROTOOPT\nENOPROTOOPT\nSome(0)\n",
    ),
    (
        "no-further-connections",
        udp_then_tcp,
        "
print('ready', flush=True)
t(s.connect, ('127.0.0.1', 1)); t(s.bind, ('127.0.0.1', 0))
",
        "ready\nENOTSUP\nENOTSUP\nSome(0)\n",
    ),
];

fn udp_then_tcp(stage: &mut Stage) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    stage.start(listener)
}

fn play(line: &[std::ffi::OsString], dir: &Path, other: Other) -> std::result::Result<String, String> {
    let mut start = |socket: OwnedFd| {
        Command::new(&line[0])
            .args(&line[1..])
            .env_clear()
            .env("PATH", PATH)
            .current_dir(dir)
            .stdin(Stdio::from(socket))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    let mut stage = Stage { start: &mut start, child: None, seen: String::new() };
    let played = other(&mut stage);
    if played.is_err()
        && let Some(child) = &mut stage.child
    {
        let _ = child.kill();
    }
    let seen = stage.end().map_err(|error| error.to_string())?;
    played.map(|()| seen.clone()).map_err(|error| format!("{error}\n{seen}"))
}

fn compare(
    dir: &Path,
    fncall: std::path::PathBuf,
    other: Other,
    program: &str,
    told: Option<&str>,
) -> Result {
    let argv = [PYTHON.into(), "-c".into(), format!("{PROLOGUE}{program}").into()];
    let host = match told {
        Some(told) => told.to_owned(),
        None => play(&argv, dir, other)?,
    };
    let line = fncall_tests::subject::Subject::Fncall(fncall).command(&[], &argv);
    let own = play(&line, dir, other)?;
    if own == host { Ok(()) } else { Err(format!("--- wanted\n{host}+++ on fncall\n{own}")) }
}

fn main() {
    let args = suite::begin();
    let scenes = SCENES.iter().map(|(name, other, program)| (*name, *other, *program, None));
    let refused = REFUSED.iter().map(|(name, other, program, told)| (*name, *other, *program, Some(*told)));
    let trials = scenes.chain(refused).map(|(name, other, program, told)| {
        suite::check("handed", name, Some("python3"), move |dir, fncall| {
            compare(dir, fncall, other, program, told)
        })
    });
    let trials = trials.collect();
    suite::finish(&args, trials);
}

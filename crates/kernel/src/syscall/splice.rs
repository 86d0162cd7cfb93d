//! splice(2), tee(2), vmsplice(2).
//!
//! A pipe that the program inherited from outside is the host's: bytes to and from it are copied through a buffer,
//! and tee(2), which would have to look at them without taking them, refuses it.

use super::rw::{self, Buffer, RwFlags};
use super::sendfile::carry;
use crate::fs::pipe::{End, PAGE, Pipe, transfer};
use crate::task::Current;
use crate::uaccess::{Args, get, put, with_iovec};
use crate::vfs::notify::{self, Events};
use crate::vfs::{File, FileType, HOST_POSITION, MAX_RW_COUNT, OpenFlags};
use crate::{Errno, Result};
use alloc::sync::Arc;
use host::io::{IoDst, IoSrc, Segment};
use linux_raw_sys::general::SIGPIPE;

/// `SPLICE_F_MOVE`, `SPLICE_F_NONBLOCK`, `SPLICE_F_MORE`, `SPLICE_F_GIFT`. Only the second changes anything here.
const FLAGS: u32 = 0xf;
const NONBLOCK: u32 = 2;

/// Device numbers of /dev/null and /dev/full, whose operations lack one direction of splice(2).
const NULL_DEVICE: u64 = 0x103;
const FULL_DEVICE: u64 = 0x107;

/// So much is read from a stream at a time.
const CHUNK: usize = 64 << 10;

/// Either kind of pipe.
enum AnyPipe<'a> {
    Own(&'a Arc<Pipe>),
    Host,
}

fn pipe_of(file: &File) -> Option<AnyPipe<'_>> {
    match file.ops_as::<End>() {
        Some(end) => Some(AnyPipe::Own(end.pipe())),
        None if file.kind() == FileType::Fifo && file.ops.host_fd().is_some() => Some(AnyPipe::Host),
        None => None,
    }
}

/// Sends SIGPIPE where a call fails for want of a reader.
fn or_sigpipe(cur: &Current<'_>, result: Result<usize>) -> Result<usize> {
    if result == Err(Errno::PIPE) {
        crate::signal::to_current(cur.task, SIGPIPE as i32);
    }
    result
}

/// `splice(fd_in, off_in, fd_out, off_out, len, flags)`
pub fn sys_splice(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (off_in, off_out) = (args.usize(1), args.usize(3));
    let (len, flags) = (args.usize(4), args.u32(5));
    if len == 0 {
        return Ok(0);
    }
    if flags & !FLAGS != 0 {
        return Err(Errno::INVAL);
    }
    let from = cur.file(args.i32(0))?;
    let to = cur.file(args.i32(2))?;
    let (pipe_in, pipe_out) = (pipe_of(&from), pipe_of(&to));
    if pipe_in.is_some() && off_in != 0 || pipe_out.is_some() && off_out != 0 {
        return Err(Errno::SPIPE);
    }
    let given = |at: usize| if at == 0 { Ok(None) } else { get::<i64>(at).map(Some) };
    let mut out_offset = given(off_out)?;
    let mut in_offset = given(off_in)?;
    if !from.flags().readable() || !to.flags().writable() {
        return Err(Errno::BADF);
    }
    let nonblock = flags & NONBLOCK != 0;
    let result = match (pipe_in, pipe_out) {
        (Some(AnyPipe::Own(source)), Some(AnyPipe::Own(target))) => {
            if Arc::ptr_eq(source, target) {
                return Err(Errno::INVAL);
            }
            let nonblock = nonblock || (from.flags() | to.flags()).contains(OpenFlags::NONBLOCK);
            or_sigpipe(cur, transfer::splice(source, target, len, nonblock))
        }
        (Some(AnyPipe::Own(source)), _) => {
            from_pipe(cur, source, &to, &mut out_offset, len, nonblock || from.nonblock())
        }
        (_, Some(AnyPipe::Own(target))) => {
            let room_nonblock = nonblock || to.nonblock();
            or_sigpipe(cur, to_pipe(&from, target, &mut in_offset, len, [nonblock, room_nonblock]))
        }
        (None, None) => return Err(Errno::INVAL),
        _ => between_streams(cur, &from, &to, [&mut in_offset, &mut out_offset], len),
    };
    let count = result?;
    for (at, offset) in [(off_out, out_offset), (off_in, in_offset)] {
        if let Some(offset) = offset {
            put(at, &offset)?;
        }
    }
    Ok(count)
}

/// The offset a transfer with a file begins at: the one given, or the position.
///
/// # Errors
/// `EINVAL` for an offset into something without positions, or a bad one.
fn start(file: &File, given: Option<i64>, len: usize) -> Result<u64> {
    if given.is_some() && file.is_stream() {
        return Err(Errno::INVAL);
    }
    let at = match given {
        Some(at) => u64::try_from(at).map_err(|_| Errno::INVAL)?,
        None if file.keeps_position() => return Ok(HOST_POSITION),
        None if file.is_stream() => 0,
        None => *file.position.lock(),
    };
    rw::check_offset(at, len)?;
    Ok(at)
}

/// Notes where a transfer has come to.
fn finish(file: &File, given: &mut Option<i64>, at: u64) {
    match given {
        Some(offset) => *offset = at as i64,
        None if file.keeps_position() || file.is_stream() => {}
        None => *file.position.lock() = at,
    }
}

/// What cannot be read this way: directories, files that only have a meaning of their own, /dev/null.
fn check_readable(file: &File) -> Result<()> {
    let refused = match file.kind() {
        FileType::Directory => true,
        FileType::CharDevice => file.inode.stat()?.rdev == NULL_DEVICE,
        _ => crate::fs::anon::is_anon(file),
    };
    if refused { Err(Errno::INVAL) } else { Ok(()) }
}

/// What cannot be written this way.
fn check_writable(file: &File) -> Result<()> {
    let refused = match file.kind() {
        FileType::CharDevice => file.inode.stat()?.rdev == FULL_DEVICE,
        _ => crate::fs::anon::is_anon(file),
    };
    if refused { Err(Errno::INVAL) } else { Ok(()) }
}

/// Writes at `at`, or at the position where the host keeps it.
fn write_out(cur: &Current<'_>, to: &File, bytes: &[u8], at: u64) -> Result<usize> {
    let mut buffer = Buffer::Kernel(bytes);
    if to.is_stream() || at == HOST_POSITION {
        rw::write(cur, to, &mut buffer, RwFlags::default())
    } else {
        rw::write_at(cur, to, &mut buffer, at, RwFlags::default())
    }
}

/// `at` behind `count` further bytes.
fn advance(at: u64, count: usize) -> u64 {
    if at == HOST_POSITION { at } else { at + count as u64 }
}

fn from_pipe(
    cur: &Current<'_>,
    source: &Pipe,
    to: &File,
    given: &mut Option<i64>,
    len: usize,
    nonblock: bool,
) -> Result<usize> {
    if given.is_some() && to.is_stream() || to.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::INVAL);
    }
    let mut at = start(to, *given, len)?;
    check_writable(to)?;
    let result = source.drain_to(len.min(MAX_RW_COUNT), nonblock, &mut |bytes| {
        let count = write_out(cur, to, bytes, at)?;
        at = advance(at, count);
        Ok(count)
    });
    if result.is_ok() {
        finish(to, given, at);
    }
    result
}

/// `nonblock`: whether the call says so, and whether it must not wait for room.
fn to_pipe(
    from: &File,
    target: &Pipe,
    given: &mut Option<i64>,
    len: usize,
    nonblock: [bool; 2],
) -> Result<usize> {
    let [flagged, room_nonblock] = nonblock;
    let mut at = start(from, *given, len)?;
    let free = target.wait_for_room(room_nonblock)?;
    check_readable(from)?;
    let len = len.min(free * PAGE).min(MAX_RW_COUNT);
    let count = if from.kind() == FileType::Regular {
        pages_to_pipe(from, target, at, len, free)?
    } else {
        // Of streams only sockets heed the flag of the call.
        let nonblock = from.nonblock() || from.kind() == FileType::Socket && flagged;
        stream_to_pipe(from, target, at, len, nonblock)?
    };
    if count > 0 {
        notify::on_file(from, Events::ACCESS);
    }
    at = advance(at, count);
    finish(from, given, at);
    Ok(count)
}

/// A regular file: a buffer for each page of it, until its end or until the pipe is full.
fn pages_to_pipe(from: &File, target: &Pipe, start: u64, len: usize, free: usize) -> Result<usize> {
    let mut done = 0;
    for _ in 0..free {
        let at = advance(start, done);
        let piece =
            if at == HOST_POSITION { PAGE.min(len - done) } else { transfer::piece_len(at, len - done) };
        if piece == 0 {
            break;
        }
        let step = target.empty_page().and_then(|mut page| {
            let count = from.ops.read(&mut IoDst::kernel(&mut page[..piece]), at, from.nonblock())?;
            target.push(page, count)?;
            Ok(count)
        });
        match step {
            Ok(count) => {
                done += count;
                if count < piece {
                    break;
                }
            }
            Err(errno) if done == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(done)
}

/// Anything else: one read, cut into buffers (`copy_splice_read`).
fn stream_to_pipe(from: &File, target: &Pipe, at: u64, len: usize, nonblock: bool) -> Result<usize> {
    let mut bytes = alloc::vec![0; len.min(CHUNK)];
    let count = from.ops.read(&mut IoDst::kernel(&mut bytes), at, nonblock)?;
    for piece in bytes[..count].chunks(PAGE) {
        let mut page = target.empty_page()?;
        page[..piece.len()].copy_from_slice(piece);
        target.push(page, piece.len())?;
    }
    Ok(count)
}

/// One side is a pipe of the host, the other is not ours either.
fn between_streams(
    cur: &Current<'_>,
    from: &File,
    to: &File,
    given: [&mut Option<i64>; 2],
    len: usize,
) -> Result<usize> {
    let [given_in, given_out] = given;
    if to.flags().contains(OpenFlags::APPEND) {
        return Err(Errno::INVAL);
    }
    let mut read_at = start(from, *given_in, len)?;
    let mut write_at = start(to, *given_out, len)?;
    check_readable(from)?;
    check_writable(to)?;
    let mut first = true;
    let result = carry(len.min(MAX_RW_COUNT), |len, buf| {
        // The first read waits for something; what has come by then is enough, as between pipes.
        if !core::mem::take(&mut first) && from.is_stream() {
            return Ok((0, 0));
        }
        let read = from.ops.read(&mut IoDst::kernel(&mut buf[..len]), read_at, from.nonblock())?;
        let written = if read == 0 { 0 } else { write_out(cur, to, &buf[..read], write_at)? };
        read_at = advance(read_at, written);
        write_at = advance(write_at, written);
        Ok((read, written))
    });
    if result.is_ok() {
        finish(from, given_in, read_at);
        finish(to, given_out, write_at);
    }
    result
}

/// `tee(fd_in, fd_out, len, flags)`
pub fn sys_tee(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let (len, flags) = (args.usize(2), args.u32(3));
    if flags & !FLAGS != 0 {
        return Err(Errno::INVAL);
    }
    if len == 0 {
        return Ok(0);
    }
    let from = cur.file(args.i32(0))?;
    let to = cur.file(args.i32(1))?;
    if !from.flags().readable() || !to.flags().writable() {
        return Err(Errno::BADF);
    }
    let (Some(source), Some(target)) = (from.ops_as::<End>(), to.ops_as::<End>()) else {
        return Err(Errno::INVAL);
    };
    if Arc::ptr_eq(source.pipe(), target.pipe()) {
        return Err(Errno::INVAL);
    }
    let nonblock = flags & NONBLOCK != 0 || (from.flags() | to.flags()).contains(OpenFlags::NONBLOCK);
    or_sigpipe(cur, transfer::tee(source.pipe(), target.pipe(), len, nonblock))
}

/// `vmsplice(fd, iov, nr_segs, flags)`
pub fn sys_vmsplice(cur: &mut Current<'_>, args: &Args) -> Result<usize> {
    let flags = args.u32(3);
    if flags & !FLAGS != 0 {
        return Err(Errno::INVAL);
    }
    let file = cur.file(args.i32(0))?;
    let (reads, writes) = (file.flags().readable(), file.flags().writable());
    if !reads && !writes {
        return Err(Errno::BADF);
    }
    // The file's own O_NONBLOCK does not count here.
    let nonblock = flags & NONBLOCK != 0;
    with_iovec(args.usize(1), args.usize(2), |segments| {
        if segments.iter().all(|segment| segment.len == 0) {
            return Ok(0);
        }
        match pipe_of(&file) {
            None => Err(Errno::BADF),
            Some(AnyPipe::Own(pipe)) if writes => or_sigpipe(cur, gather(pipe, segments, nonblock)),
            Some(AnyPipe::Own(pipe)) => scatter(pipe, segments, nonblock),
            Some(AnyPipe::Host) if writes => {
                rw::write(cur, &file, &mut Buffer::Many(segments), RwFlags::default())
            }
            Some(AnyPipe::Host) => rw::read(&file, &Buffer::Many(segments), RwFlags::default()),
        }
    })
}

/// User memory into a pipe: a buffer for each page of the program's that it lies in, as long as there is room.
fn gather(pipe: &Pipe, segments: &[Segment], nonblock: bool) -> Result<usize> {
    let mut free = pipe.wait_for_room(nonblock)?;
    let mut done = 0;
    for segment in segments {
        let mut at = segment.addr;
        let end = segment.addr + segment.len;
        while at < end && free > 0 {
            let piece = transfer::piece_len(at as u64, end - at);
            let step = pipe.empty_page().and_then(|mut page| {
                let mut src = IoSrc::user(at, piece);
                if src.take(&mut page[..piece]) != Ok(piece) {
                    return Err(Errno::FAULT);
                }
                pipe.push(page, piece)
            });
            match step {
                Ok(()) => done += piece,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => return Ok(done),
            }
            at += piece;
            free -= 1;
        }
    }
    Ok(done)
}

/// A pipe into user memory.
fn scatter(pipe: &Pipe, segments: &[Segment], nonblock: bool) -> Result<usize> {
    let mut dst = IoDst::user_vec(segments);
    let want = dst.remaining();
    pipe.drain_to(want, nonblock, &mut |bytes| match dst.put(bytes)? {
        count if count < bytes.len() => Err(Errno::FAULT),
        count => Ok(count),
    })
}

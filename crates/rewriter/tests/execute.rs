//! Patched programs are run: the processor has the last word.
//!
//! A small machine lives in one mapping: the program under test, its trampolines, an entry that stands
//! in for the kernel (it counts, and makes the call on the host), and a driver that loads every register
//! before the program and stores every register after it. A patched program has to leave the same
//! registers and flags as the original.
//!
//! `unsafe`: this test writes machine code and jumps to it; there is no other way to test that.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

mod common;

use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use iced_x86::code_asm::*;
use rewriter::{Code, Hints, Patch, Route, Store, plan};

const LEN: usize = 0x1_0000;
const PROGRAM: u64 = 0;
const TRAMPOLINES: u64 = 0x4000;
const ENTRY: u64 = 0x8000;
const DRIVER: u64 = 0x9000;
const DATA: u64 = 0xa000;

/// Registers in the order of their slots in `DATA`; then the flags.
const REGISTERS: [AsmRegister64; 15] =
    [rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15];
const FLAGS: usize = REGISTERS.len();
const COUNT: usize = 16;
const RETURN: usize = 17;
const RSP: usize = 18;
const START: usize = 19;

struct Machine {
    base: u64,
    program_len: usize,
    trampolines_len: u64,
    fixed: Vec<(u64, u64)>,
}

impl Machine {
    fn new(program: impl FnOnce(&mut CodeAssembler)) -> Self {
        // SAFETY: a fresh anonymous mapping of its own.
        let map = unsafe {
            libc::mmap(
                ptr::null_mut(),
                LEN,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                // Low, so that the data has addresses of 32 bits.
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
                -1,
                0,
            )
        };
        assert_ne!(map, libc::MAP_FAILED);
        let mut machine = Machine { base: map as u64, program_len: 0, trampolines_len: 0, fixed: Vec::new() };
        let base = machine.base;
        let slot = |i: usize| qword_ptr(base + DATA + 8 * i as u64);

        machine.program_len = machine.assemble(PROGRAM, program);
        machine.assemble(ENTRY, |a| {
            a.mov(slot(RETURN), rcx).unwrap();
            a.mov(r11, slot(COUNT)).unwrap();
            a.lea(r11, ptr(r11 + 1)).unwrap();
            a.mov(slot(COUNT), r11).unwrap();
            a.syscall().unwrap();
            a.mov(rcx, slot(RETURN)).unwrap();
            a.jmp(rcx).unwrap();
        });
        machine.assemble(DRIVER, |a| {
            for register in [rbx, rbp, r12, r13, r14, r15] {
                a.push(register).unwrap();
            }
            a.mov(slot(RSP), rsp).unwrap();
            // What a program finds above its return address.
            a.push(slot(START)).unwrap();
            a.push(slot(FLAGS)).unwrap();
            a.popfq().unwrap();
            for (i, register) in REGISTERS.into_iter().enumerate() {
                a.mov(register, slot(i)).unwrap();
            }
            a.call(slot(START)).unwrap();
            for (i, register) in REGISTERS.into_iter().enumerate() {
                a.mov(slot(i), register).unwrap();
            }
            a.pushfq().unwrap();
            a.pop(slot(FLAGS)).unwrap();
            a.mov(rsp, slot(RSP)).unwrap();
            for register in [r15, r14, r13, r12, rbp, rbx] {
                a.pop(register).unwrap();
            }
            a.cld().unwrap();
            a.ret().unwrap();
        });
        machine
    }

    fn assemble(&mut self, at: u64, write: impl FnOnce(&mut CodeAssembler)) -> usize {
        let mut asm = CodeAssembler::new(64).unwrap();
        write(&mut asm);
        let bytes = asm.assemble(self.base + at).unwrap();
        self.store(self.base + at, &bytes);
        bytes.len()
    }

    fn store(&mut self, addr: u64, bytes: &[u8]) {
        assert!(addr >= self.base && addr + bytes.len() as u64 <= self.base + LEN as u64);
        // SAFETY: inside the mapping, as just checked, to which no reference exists.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), addr as *mut u8, bytes.len()) };
    }

    fn program(&self) -> Vec<u8> {
        // SAFETY: inside the mapping; the bytes are copied at once.
        unsafe { std::slice::from_raw_parts((self.base + PROGRAM) as *const u8, self.program_len) }.to_vec()
    }

    fn slot(&self, i: usize) -> *mut u64 {
        (self.base + DATA + 8 * i as u64) as *mut u64
    }

    /// Runs the program with `registers` and flags; answers with those it leaves, and the number of
    /// calls that came through the entry.
    fn run(&self, registers: [u64; 16]) -> ([u64; 16], u64) {
        // SAFETY: the slots lie in the mapping; the driver keeps what the C calling convention asks
        // it to keep.
        unsafe {
            for (i, value) in registers.into_iter().enumerate() {
                self.slot(i).write(value);
            }
            self.slot(COUNT).write(0);
            self.slot(START).write(self.base + PROGRAM);
            let driver: extern "C" fn() = std::mem::transmute(self.base + DRIVER);
            driver();
            (std::array::from_fn(|i| self.slot(i).read()), self.slot(COUNT).read())
        }
    }

    fn plan(&self, site: u64, number: u64, know_function: bool) -> Result<Patch, rewriter::Refusal> {
        let bytes = self.program();
        let code = Code { base: self.base + PROGRAM, bytes: &bytes };
        let function = Some((code.base, code.end())).filter(|_| know_function);
        let hints = Hints { function, rax: number, fixed: &self.fixed };
        plan(&code, site, &hints, self.base + TRAMPOLINES + self.trampolines_len, self.base + ENTRY)
    }

    fn place(&mut self, patch: &Patch) {
        self.store(patch.trampoline_at, &patch.trampoline);
        self.trampolines_len += patch.trampoline.len() as u64;
    }

    fn sites(&self) -> Vec<u64> {
        let bytes = self.program();
        let code = Code { base: self.base + PROGRAM, bytes: &bytes };
        let starts = rewriter::instruction_starts(&code, code.base, code.end());
        starts
            .into_iter()
            .filter(|&at| bytes[(at - code.base) as usize..].starts_with(&[0x0f, 0x05]))
            .collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the mapping any more.
        unsafe { libc::munmap(self.base as *mut _, LEN) };
    }
}

/// Registers with nothing in common, `rdi` an invalid descriptor.
fn registers() -> [u64; 16] {
    let mut registers = std::array::from_fn(|i| 0x0111_0000_0000_0000 * (i as u64 + 1) + i as u64);
    registers[5] = u64::MAX;
    // Carry, parity, adjust, zero, sign, overflow; and the bit that is always set.
    registers[FLAGS] = 0x8d7;
    registers
}

/// Runs the program before and after patching each site, with each set of registers.
fn same_result(program: impl FnOnce(&mut CodeAssembler), number: u64, know_function: bool) -> Vec<Route> {
    let mut machine = Machine::new(program);
    let mut inputs = vec![registers(), [0; 16]];
    for input in &mut inputs {
        input[0] = number;
        input[FLAGS] |= 2;
    }
    let expected: Vec<_> = inputs.iter().map(|&input| machine.run(input)).collect();
    let mut routes = Vec::new();
    for site in machine.sites() {
        let patch = machine.plan(site, number, know_function).unwrap();
        machine.place(&patch);
        machine.fixed.extend(&patch.fixed);
        for write in &patch.writes {
            machine.store(write.addr, &write.bytes);
        }
        routes.push(patch.route);
        for (&input, &(output, calls)) in inputs.iter().zip(&expected) {
            let (patched_output, patched_calls) = machine.run(input);
            assert_eq!(patched_output, output, "{patch:#x?}");
            assert_eq!(patched_calls, calls + routes.len() as u64);
        }
    }
    routes
}

#[test]
fn a_wrapper_like_glibcs() {
    let routes = same_result(
        |a| {
            let mut error = a.create_label();
            a.mov(rsi, rdx).unwrap();
            a.mov(rdx, rcx).unwrap();
            a.mov(r10, r8).unwrap();
            a.mov(r9, qword_ptr(rsp + 8)).unwrap();
            a.syscall().unwrap();
            a.cmp(rax, -4095).unwrap();
            a.jae(error).unwrap();
            a.ret().unwrap();
            a.set_label(&mut error).unwrap();
            a.neg(rax).unwrap();
            a.ret().unwrap();
        },
        39,
        true,
    );
    assert_eq!(routes, [Route::Preceding]);
}

#[test]
fn red_zone_and_carry_live() {
    // The red zone is written before the call and read after it, the carry flag added to the result.
    let routes = same_result(
        |a| {
            a.mov(qword_ptr(rsp - 8), rbx).unwrap();
            a.mov(qword_ptr(rsp - 128), r12).unwrap();
            a.mov(eax, 110).unwrap();
            a.syscall().unwrap();
            a.mov(r13, qword_ptr(rsp - 8)).unwrap();
            a.mov(r14, qword_ptr(rsp - 128)).unwrap();
            a.adc(r15, 0).unwrap();
            a.ret().unwrap();
        },
        110,
        true,
    );
    assert_eq!(routes, [Route::MovBefore]);
}

#[test]
fn behind_the_site() {
    for know_function in [true, false] {
        let routes = same_result(
            |a| {
                for _ in 0..40 {
                    a.xchg(r12, r13).unwrap();
                }
                let mut over = a.create_label();
                let mut data = a.create_label();
                a.jmp(over).unwrap();
                a.set_label(&mut over).unwrap();
                a.syscall().unwrap();
                a.test(rax, rax).unwrap();
                a.mov(rbx, qword_ptr(data)).unwrap();
                a.cmovs(rbx, rdx).unwrap();
                a.ret().unwrap();
                a.set_label(&mut data).unwrap();
                a.dq(&[0x1234_5678_9abc_def0]).unwrap();
            },
            39,
            know_function,
        );
        assert_eq!(routes, [Route::Following]);
    }
}

#[test]
fn around_the_site() {
    let routes = same_result(
        |a| {
            a.mov(rbx, rdi).unwrap();
            a.syscall().unwrap();
            a.ret().unwrap();
        },
        39,
        true,
    );
    assert_eq!(routes, [Route::Around]);
}

#[test]
fn an_island_for_each_of_two_sites() {
    let routes = same_result(
        |a| {
            let mut next = a.create_label();
            a.xor(ebx, ebx).unwrap();
            a.syscall().unwrap();
            a.mov(r12, rax).unwrap();
            a.mov(al, 39).unwrap();
            a.syscall().unwrap();
            a.jmp(next).unwrap();
            // 13 bytes so far: the gap is what an alignment to 32 leaves.
            a.db(&[0xcc; 32 - 13]).unwrap();
            a.set_label(&mut next).unwrap();
            a.ret().unwrap();
        },
        39,
        true,
    );
    assert_eq!(routes, [Route::Island, Route::Island]);
}

#[test]
fn a_site_across_two_pages() {
    let routes = same_result(
        |a| {
            a.mov(eax, 39).unwrap();
            let mut tail = a.create_label();
            a.jmp(tail).unwrap();
            a.db(&vec![0xcc; 0xfff - 5 - 5]).unwrap();
            a.set_label(&mut tail).unwrap();
            a.syscall().unwrap();
            a.cmp(rax, -4095).unwrap();
            a.ret().unwrap();
        },
        39,
        true,
    );
    assert_eq!(routes.len(), 1);
}

/// Old and new address of what a guard stands for, for the breakpoint handler.
static GUARDED: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));
static GUARDS_MET: AtomicU64 = AtomicU64::new(0);

extern "C" fn on_breakpoint(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the host hands a `ucontext_t` to a handler installed with SA_SIGINFO.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let rip = &mut registers[libc::REG_RIP as usize];
    if *rip as u64 - 1 != GUARDED.0.load(Ordering::SeqCst) {
        // SAFETY: ends the process.
        unsafe { libc::abort() };
    }
    GUARDS_MET.fetch_add(1, Ordering::SeqCst);
    *rip = GUARDED.1.load(Ordering::SeqCst) as i64;
}

fn sync_all_cores() {
    const PRIVATE_EXPEDITED_SYNC_CORE: libc::c_int = 1 << 5;
    const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: libc::c_int = 1 << 6;
    for command in [REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, PRIVATE_EXPEDITED_SYNC_CORE] {
        // SAFETY: membarrier takes no pointers.
        assert_eq!(unsafe { libc::syscall(libc::SYS_membarrier, command, 0) }, 0);
    }
}

/// Carries out writes as `Patch` says, while another thread executes the bytes.
fn store_live(writes: &[rewriter::Write]) {
    for write in writes {
        match write.store {
            Store::Word => {
                let word = (write.addr & !7) as *mut u64;
                // SAFETY: aligned, and in the machine's mapping, of which this is the only writer.
                let atomic = unsafe { AtomicU64::from_ptr(word) };
                let mut bytes = atomic.load(Ordering::SeqCst).to_le_bytes();
                let at = (write.addr & 7) as usize;
                bytes[at..at + write.bytes.len()].copy_from_slice(&write.bytes);
                atomic.store(u64::from_le_bytes(bytes), Ordering::SeqCst);
            }
            Store::Plain => {
                for (addr, &byte) in (write.addr..).zip(&write.bytes) {
                    // SAFETY: in the machine's mapping; nobody executes these bytes meanwhile.
                    unsafe { (addr as *mut u8).write_volatile(byte) };
                }
            }
        }
        sync_all_cores();
    }
}

#[test]
fn patching_under_a_running_thread() {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    // SAFETY: a zeroed sigaction is valid; the handler only uses atomics.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_breakpoint as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, ptr::null_mut()), 0);
    }
    // The mov begins at each place within a word, so that all ways of storing are used.
    for offset in 0..8 {
        let mut machine = Machine::new(|a| {
            for _ in 0..offset {
                a.nop().unwrap();
            }
            a.mov(eax, 39).unwrap();
            a.syscall().unwrap();
            a.ret().unwrap();
        });
        let expected = machine.run(registers()).0;
        let patch = machine.plan(machine.sites()[0], 39, true).unwrap();
        assert_eq!(patch.route, Route::MovBefore);
        assert!(!patch.quiesce);
        machine.place(&patch);
        GUARDED.0.store(patch.fixed[0].0, Ordering::SeqCst);
        GUARDED.1.store(patch.moved_to(patch.fixed[0].0).unwrap(), Ordering::SeqCst);

        let stop = AtomicBool::new(false);
        let runs = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(machine.run(registers()).0, expected);
                    runs.fetch_add(1, Ordering::Relaxed);
                }
            });
            for _ in 0..200 {
                let before = runs.load(Ordering::Relaxed);
                store_live(&patch.writes);
                store_live(&patch.undo());
                // The other thread runs it in between: a wait for progress, not for time.
                while runs.load(Ordering::Relaxed) == before {
                    thread::yield_now();
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(machine.run(registers()), (expected, 0));
    }
    println!("guards met: {}", GUARDS_MET.load(Ordering::SeqCst));
}

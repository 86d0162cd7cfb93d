//! The stack that this crate draws against the one that Linux drew for this very process.

use std::fs::{self, File};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt as _;

use loader::{InitialStack, LoadError, MAX_ARG_STRLEN, StackSpec, argument_limit, initial_stack};

const AT_PLATFORM: u64 = 15;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;
const TOP: u64 = 0x7fff_ffff_f000;
const STACK_LIMIT: u64 = 8 << 20;

fn words(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks().0.iter().map(|b| u64::from_le_bytes(*b)).collect()
}

fn own_memory(start: u64, end: u64) -> Vec<u8> {
    let mut bytes = vec![0; (end - start) as usize];
    File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, start).unwrap();
    bytes
}

fn own_string(start: u64) -> Vec<u8> {
    own_memory(start, start + 4096.min(4096 - start % 4096)).split(|&b| b == 0).next().unwrap().to_vec()
}

fn strings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut list: Vec<_> = bytes.split(|&b| b == 0).map(<[u8]>::to_vec).collect();
    assert_eq!(list.pop(), Some(Vec::new()));
    list
}

#[test]
fn is_the_one_linux_makes() {
    // What Linux says about this process.
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap().split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    // proc(5) counts from 1 and two fields are before the parenthesis.
    let field = |number: usize| fields[number - 3];
    let (sp, arg_start, arg_end, env_start, env_end) =
        (field(28), field(48), field(49), field(50), field(51));
    let mut auxv: Vec<(u64, u64)> =
        words(&fs::read("/proc/self/auxv").unwrap()).as_chunks().0.iter().map(|&[k, v]| (k, v)).collect();
    assert_eq!(auxv.pop(), Some((0, 0)));
    let value = |key: u64| auxv.iter().find(|(k, _)| *k == key).unwrap().1;
    let (platform, random, execfn) = (value(AT_PLATFORM), value(AT_RANDOM), value(AT_EXECFN));
    let others: Vec<_> =
        auxv.iter().copied().filter(|(k, _)| ![AT_PLATFORM, AT_RANDOM, AT_EXECFN].contains(k)).collect();

    // The same, drawn here.
    let argv: Vec<_> = std::env::args_os().map(OsStringExt::into_vec).collect();
    let envp = strings(&own_memory(env_start, env_end));
    let execfn_path = own_string(execfn);
    let top = execfn + execfn_path.len() as u64 + 1 + 8;
    assert_eq!(top % 4096, 0);
    let drawn = initial_stack(&StackSpec {
        argv: &argv,
        envp: &envp,
        execfn: &execfn_path,
        platform: b"x86_64",
        random: own_memory(random, random + 16).try_into().unwrap(),
        auxv: &others,
        top,
        stack_limit: STACK_LIMIT,
    })
    .unwrap();

    assert_eq!(
        (drawn.arg_start, drawn.arg_end, drawn.env_start, drawn.env_end),
        (arg_start, arg_end, env_start, env_end)
    );
    let at = |address: u64| (address - drawn.sp) as usize;
    assert_eq!(drawn.bytes.len(), at(top));
    assert_eq!(drawn.bytes[at(arg_start)..], own_memory(arg_start, top));

    // Linux leaves a random gap below the strings; everything under it is moved by that.
    let find = |key: u64| words(&drawn.auxv).as_chunks().0.iter().find(|&&[k, _]| k == key).unwrap()[1];
    let gap = find(AT_PLATFORM) - platform;
    assert_eq!((gap % 16, find(AT_RANDOM) - gap, drawn.sp - gap), (0, random, sp));
    assert_eq!(find(AT_EXECFN), execfn);
    let pointers = (1 + argv.len() + 1 + envp.len() + 1) * 8;
    assert_eq!(drawn.bytes[..pointers], own_memory(sp, sp + pointers as u64));
    assert_eq!(drawn.bytes[pointers..pointers + drawn.auxv.len()], drawn.auxv);
    let mut sorted: Vec<_> = words(&drawn.auxv).as_chunks().0.iter().map(|&[k, v]| (k, v)).collect();
    assert_eq!(sorted.pop(), Some((0, 0)));
    sorted.sort_unstable();
    auxv.sort_unstable();
    auxv.iter_mut().filter(|(k, _)| [AT_PLATFORM, AT_RANDOM].contains(k)).for_each(|(_, v)| *v += gap);
    assert_eq!(sorted, auxv);
}

fn draw(argv: &[Vec<u8>], envp: &[Vec<u8>], stack_limit: u64, top: u64) -> Result<InitialStack, LoadError> {
    initial_stack(&StackSpec {
        argv,
        envp,
        execfn: b"/x",
        platform: b"x86_64",
        random: [9; 16],
        auxv: &[(6, 4096)],
        top,
        stack_limit,
    })
}

#[test]
fn no_arguments_become_one_empty_one() {
    let stack = draw(&[], &[], STACK_LIMIT, TOP).unwrap();
    assert_eq!(words(&stack.bytes)[..4], [1, stack.arg_start, 0, 0]);
    assert_eq!((stack.arg_end - stack.arg_start, stack.env_end - stack.env_start), (1, 0));
}

#[test]
fn stack_pointer_is_aligned_whatever_the_lengths() {
    for count in 0..40 {
        let argv = vec![vec![b'a'; count / 3]; count];
        let stack = draw(&argv, &argv[count / 2..], STACK_LIMIT, TOP).unwrap();
        assert_eq!((stack.sp % 16, stack.sp + stack.bytes.len() as u64), (0, TOP));
    }
}

#[test]
fn too_long_is_e2big_at_exactly_the_limit_of_linux() {
    let string = |len: usize| vec![b'x'; len];
    assert!(draw(&[string(MAX_ARG_STRLEN - 1)], &[], STACK_LIMIT, TOP).is_ok());
    assert_eq!(draw(&[string(MAX_ARG_STRLEN)], &[], STACK_LIMIT, TOP), Err(LoadError::ArgumentsTooLong));

    // Both ways: fill the limit to the last byte with this crate, and ask Linux with a command of that size.
    let limit = argument_limit(STACK_LIMIT) as usize;
    assert_eq!(limit, 2 << 20);
    let path = "/bin/true";
    let fill = |spare: usize| {
        let mut argv = vec![string(100_000); limit / 100_100];
        // Strings with their NULs, a pointer each, and the path with its NUL.
        let used: usize = argv.iter().map(|s| s.len() + 1 + 8).sum::<usize>() + path.len() + 1;
        argv.push(string(limit - used - 1 - 8 - spare));
        argv
    };
    let linux = |argv: Vec<Vec<u8>>| {
        let mut argv = argv.into_iter().map(std::ffi::OsString::from_vec);
        let mut command = std::process::Command::new(path);
        std::os::unix::process::CommandExt::arg0(&mut command, argv.next().unwrap());
        command.args(argv).env_clear().status().map(|_| ()).map_err(|error| error.raw_os_error().unwrap())
    };
    let ours = |argv: Vec<Vec<u8>>| {
        initial_stack(&StackSpec {
            argv: &argv,
            envp: &[],
            execfn: path.as_bytes(),
            platform: b"x86_64",
            random: [0; 16],
            auxv: &[],
            top: TOP,
            stack_limit: STACK_LIMIT,
        })
        .map(|_| ())
        .map_err(LoadError::errno)
    };
    let soft = fs::read_to_string("/proc/self/limits").unwrap();
    let default_limit = soft.lines().any(|l| l.starts_with("Max stack size") && l.contains(" 8388608 "));
    for (spare, expected) in [(0, Ok(())), (1, Ok(()))] {
        assert_eq!(ours(fill(spare)), expected);
        assert!(!default_limit || linux(fill(spare)) == expected, "{spare} bytes to spare");
    }
    let mut over = fill(0);
    over[0].push(b'x');
    assert_eq!(ours(over.clone()), Err(7));
    assert!(!default_limit || linux(over) == Err(7));
}

#[test]
fn limit_is_a_quarter_of_the_stack_within_bounds() {
    assert_eq!(argument_limit(0), 128 * 1024);
    assert_eq!(argument_limit(8 << 20), 2 << 20);
    assert_eq!(argument_limit(u64::MAX), 6 << 20);
    // Pointers count as well: a million empty strings do not fit.
    assert_eq!(draw(&vec![Vec::new(); 1 << 20], &[], STACK_LIMIT, TOP), Err(LoadError::ArgumentsTooLong));
}

#[test]
fn a_top_without_room_is_refused() {
    for top in [0, 8, 64, 150] {
        assert_eq!(draw(&[b"a".to_vec()], &[], STACK_LIMIT, top), Err(LoadError::TooBig));
    }
}

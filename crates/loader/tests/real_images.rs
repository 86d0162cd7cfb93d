//! Images that real linkers made: this test program itself, and the host's dynamic loader and shell.

use std::fs;

use loader::{Executable, Kind, TASK_SIZE, function_range, parse, parse_interpreter, symbolize};

/// The image as it would lie in memory, from its lowest page on.
fn mapped(bytes: &[u8], plan: &Executable) -> Vec<u8> {
    let mut memory = vec![0; (plan.span.1 - plan.span.0) as usize];
    for segment in &plan.segments {
        let at = (segment.vaddr - plan.span.0) as usize;
        let from = segment.file_offset as usize;
        let len = (segment.file_len as usize).min(bytes.len().saturating_sub(from));
        memory[at..at + len].copy_from_slice(&bytes[from..from + len]);
        if let Some(zero) = segment.zero_from {
            memory[(zero - plan.span.0) as usize..at + segment.file_len as usize].fill(0);
        }
    }
    memory
}

/// Where the kernel put this program.
fn own_bias(plan: &Executable) -> u64 {
    let exe = fs::read_link("/proc/self/exe").unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let line = maps.lines().find(|line| line.ends_with(exe.to_str().unwrap())).unwrap();
    u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap() - plan.span.0
}

#[test]
fn own_functions_are_found_by_address() {
    let bytes = fs::read("/proc/self/exe").unwrap();
    let plan = parse(&&bytes[..]).unwrap();
    assert_eq!((plan.kind, plan.exec_stack), (Kind::Relocatable, false));
    let memory = mapped(&bytes, &plan);
    let mut read = |vaddr: u64, buf: &mut [u8]| {
        let Some(from) = vaddr.checked_sub(plan.span.0).map(|from| from as usize) else { return false };
        memory.get(from..from + buf.len()).map(|from| buf.copy_from_slice(from)).is_some()
    };
    let (hdr, len) = plan.eh_frame_hdr.unwrap();
    let table = &memory[(hdr - plan.span.0) as usize..][..len as usize];

    let start = own_functions_are_found_by_address as *const () as u64 - own_bias(&plan);
    let (name, offset) = symbolize(&&bytes[..], start + 5).unwrap();
    assert_eq!(offset, 5);
    assert!(String::from_utf8(name).unwrap().contains("own_functions_are_found_by_address"));
    let (begin, end) = function_range(table, hdr, start + 5, &mut read).unwrap();
    assert_eq!(begin, start);
    assert_eq!(function_range(table, hdr, end - 1, &mut read), Some((begin, end)));
    assert_ne!(function_range(table, hdr, end, &mut read).map(|range| range.0), Some(begin));
    assert_eq!(function_range(table, hdr, 0, &mut read), None);
    assert_eq!(function_range(table, hdr, TASK_SIZE, &mut read), None);
    assert_eq!(function_range(table, hdr, start, &mut |_, _| false), None);

    // Every range it claims is one whose begin has a symbol of its own, over the whole text.
    let mut found = 0;
    for pc in (plan.code.0..plan.code.1).step_by(4099) {
        if let Some((begin, end)) = function_range(table, hdr, pc, &mut read) {
            assert!(begin <= pc && pc < end);
            assert_eq!(symbolize(&&bytes[..], begin).map(|(_, offset)| offset), Some(0), "{begin:#x}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}

#[test]
fn dynamic_loader_and_shell_have_sound_plans() {
    let shell = fs::read("/bin/sh").unwrap();
    let plan = parse(&&shell[..]).unwrap();
    let path = String::from_utf8(plan.interpreter.clone().unwrap()).unwrap();
    assert!(path.starts_with("/lib"), "{path}");
    assert_eq!((plan.phentsize, plan.segments.is_empty()), (56, false));
    assert_eq!(plan.phdr_vaddr - plan.span.0, 64);
    assert!(plan.brk <= plan.span.1 && plan.brk > plan.span.1 - 4096);
    assert_eq!(plan.vaddr_of_offset(64), Some(plan.phdr_vaddr));
    assert_eq!(plan.vaddr_of_offset(1 << 40), None);

    let bytes = fs::read(path).unwrap();
    let loader = parse_interpreter(&&bytes[..]).unwrap();
    assert_eq!((loader.kind, loader.interpreter), (Kind::Relocatable, None));
}

#[test]
fn bias_keeps_the_alignment_and_stays_in_user_memory() {
    let mut plan = parse(&&fs::read("/proc/self/exe").unwrap()[..]).unwrap();
    assert_eq!(plan.bias_at(0x5555_5555_4000), Ok(0x5555_5555_4000 - plan.span.0));
    plan.align = 1 << 30;
    let bias = plan.bias_at(0x5555_5555_4000).unwrap();
    assert_eq!(bias % (1 << 30), 0);
    assert!(plan.span.0 + bias <= 0x5555_5555_4000);
    // No room below the end, none above page 0.
    assert!(plan.bias_at(TASK_SIZE - 4096).is_ok());
    plan.align = 4096;
    assert!(plan.bias_at(TASK_SIZE - 4096).is_err());
    assert!(plan.bias_at(0).is_err());
    plan.align = 1 << 47;
    assert!(plan.bias_at(0x5555_5555_4000).is_err());
    // Prelinked high, moved down.
    plan.align = 4096;
    plan.span = (0x7000_0000_0000, 0x7000_0000_2000);
    assert_eq!(plan.bias_at(0x1000_0000).unwrap().wrapping_add(plan.span.0), 0x1000_0000);
    plan.kind = Kind::Fixed;
    assert_eq!(plan.bias_at(0x1000_0000), Ok(0));
}

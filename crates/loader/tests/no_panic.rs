//! Whatever a file says, judging it ends without a panic, and a plan that comes out can be carried out: page
//! aligned, inside user memory, small. What Linux thinks of such files is asked in `linux_verdict.rs`.

mod common;

use common::{ET_DYN, ET_EXEC, Image};
use loader::{
    Format, LoadError, PAGE_SIZE, TASK_SIZE, function_range, identify, parse, parse_interpreter, symbolize,
};
use proptest::prelude::*;

fn check(bytes: &[u8]) {
    let _ = identify(bytes);
    let _ = symbolize(&bytes, 0x40_0404);
    for plan in [parse(&bytes), parse_interpreter(&bytes)] {
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                assert!(error.errno() > 0 && !error.to_string().is_empty());
                continue;
            }
        };
        assert!(plan.span.0 < plan.span.1 && plan.span.1 <= TASK_SIZE);
        assert!(plan.align.is_power_of_two() && plan.align >= PAGE_SIZE);
        assert!(plan.brk <= plan.span.1);
        for segment in &plan.segments {
            for number in [segment.vaddr, segment.file_offset, segment.file_len, segment.mem_len] {
                assert_eq!(number % PAGE_SIZE, 0);
            }
            assert!(segment.mem_len > 0 && segment.file_len <= segment.mem_len);
            assert!(segment.vaddr >= plan.span.0 && segment.vaddr + segment.mem_len <= plan.span.1);
            assert!(
                segment.file_offset.checked_add(segment.file_len).is_some_and(|end| end <= i64::MAX as u64)
            );
            if let Some(zero) = segment.zero_from {
                let end = segment.vaddr + segment.file_len;
                assert!(zero < end && zero > end - PAGE_SIZE);
            }
        }
        match plan.bias_at(0x5555_5555_4000) {
            Ok(bias) => {
                let start = plan.span.0.wrapping_add(bias);
                assert!(start >= PAGE_SIZE && start + (plan.span.1 - plan.span.0) <= TASK_SIZE);
            }
            Err(error) => assert_eq!(error, LoadError::TooBig),
        }
    }
}

/// Numbers that sit on the edges of checks.
fn edge() -> impl Strategy<Value = u64> {
    let edges =
        vec![0, 1, 55, 56, 0xfff, 0x1000, 0x40_0000, TASK_SIZE - 1, TASK_SIZE, 1 << 47, 1 << 48, 1 << 63];
    prop_oneof![
        any::<u64>(),
        0_u64..0x3000,
        (prop::sample::select(edges), -2_i64..=2).prop_map(|(edge, step)| edge.wrapping_add_signed(step)),
        (0_u64..0x3000).prop_map(|small| u64::MAX - small),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..600), magic in any::<bool>()) {
        let mut bytes = bytes;
        if magic && bytes.len() >= 4 {
            bytes[..4].copy_from_slice(b"\x7fELF");
        }
        check(&bytes);
    }

    #[test]
    fn script_lines(line in "[ \t\nx/\\x00]{0,300}") {
        let head = [b"#!", line.as_bytes()].concat();
        match identify(&head) {
            Ok(Format::Script(script)) => {
                prop_assert!(!script.interpreter.iter().any(|b| b" \t\n\0".contains(b)));
            }
            other => prop_assert_eq!(other, Err(LoadError::BadScript)),
        }
    }

    /// Eight bytes anywhere in the headers of a sound image.
    #[test]
    fn spoiled_headers(
        fixed in any::<bool>(),
        spoils in prop::collection::vec((0_usize..64 + 3 * 56, edge(), 1_usize..=8), 1..6),
        cut in prop::option::of(0_usize..0x1100),
    ) {
        let image = Image::new(if fixed { ET_EXEC } else { ET_DYN }).with_data().with_interpreter(b"/lib/ld.so\0");
        let mut bytes = image.bytes();
        for (at, value, len) in spoils {
            // Mostly whole fields, else any bytes.
            let at = if len == 8 { at & !7 } else { at };
            bytes[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        check(&bytes);
    }

    #[test]
    fn unwind_tables(
        head in prop::collection::vec(any::<u8>(), 0..200),
        frames in prop::collection::vec(any::<u8>(), 0..200),
        pc in edge(),
        sound in any::<bool>(),
    ) {
        let mut head = head;
        if sound && head.len() >= 12 {
            head[..4].copy_from_slice(&[1, 0x1b, 0x03, 0x3b]);
            let count = (head.len() as u32 - 12) / 8;
            head[8..12].copy_from_slice(&count.to_le_bytes());
        }
        let mut read = |vaddr: u64, buf: &mut [u8]| {
            buf.iter_mut().enumerate().for_each(|(i, b)| {
                *b = *frames.get(vaddr.wrapping_add(i as u64) as usize % 256).unwrap_or(&0);
            });
            true
        };
        if let Some((start, end)) = function_range(&head, 0x1000, pc, &mut read) {
            prop_assert!(start <= pc && pc < end);
        }
    }
}

//! One picture: registers, TLS, anchor, both stacks and the context after a step. What the step changed is yellow;
//! what belongs to the kernel is blue, what belongs to the program green.

use std::fmt::Write;

use fncall::ANCHOR_FIELDS;

use super::names::{CONTEXT_NAMES, Names, REGISTERS, register_name, value_of};
use super::steps::Step;
use super::trace::{KERNEL_WORDS, USER_WORDS};

const ROW: usize = 19;
const WIDTH: usize = 1000;
const HEIGHT: usize = 560;

struct Cell {
    name: String,
    value: String,
    changed: bool,
}

/// Words on the pictures, in both languages.
struct Words {
    registers: &'static str,
    anchor: &'static str,
    tls: &'static str,
    kernel_stack: &'static str,
    user_stack: &'static str,
    context: &'static str,
    own_frame: &'static str,
    vectors: &'static str,
    /// Whose storage the two bases lead to.
    owners: [&'static str; 2],
}

const WORDS: [Words; 2] = [
    Words {
        registers: "processor",
        anchor: "anchor (gs)",
        tls: "thread-local storage (fs)",
        kernel_stack: "kernel's stack",
        user_stack: "program's stack",
        context: "context",
        own_frame: "frame of run",
        vectors: "vectors",
        owners: ["the C library's", "the program's"],
    },
    Words {
        registers: "处理器",
        anchor: "锚块 anchor (gs)",
        tls: "线程局部存储 (fs)",
        kernel_stack: "内核栈",
        user_stack: "程序栈",
        context: "上下文 context",
        own_frame: "run 的栈帧",
        vectors: "向量",
        owners: ["C 库的", "程序的"],
    },
];

struct Picture(String);

impl Picture {
    fn text(&mut self, x: usize, y: usize, class: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        writeln!(self.0, r#"<text x="{x}" y="{y}" class="{class}">{text}</text>"#).unwrap();
    }

    fn rect(&mut self, x: usize, y: usize, width: usize, height: usize, class: &str) {
        writeln!(self.0, r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" class="{class}"/>"#)
            .unwrap();
    }

    /// A titled table of cells. `arrow` names the row that a register points to. Returns where it ends.
    fn table(
        &mut self,
        at: (usize, usize),
        widths: (usize, usize),
        title: &str,
        cells: &[Cell],
        arrow: Option<(usize, &str)>,
    ) -> usize {
        let (x, mut y) = at;
        self.text(x, y, "title", title);
        y += 8;
        for (n, cell) in cells.iter().enumerate() {
            self.rect(x, y, widths.0, ROW, "name");
            let class = if cell.changed { "changed" } else { "value" };
            self.rect(x + widths.0, y, widths.1, ROW, class);
            self.text(x + 5, y + 14, "mono", &cell.name);
            self.text(x + widths.0 + 5, y + 14, &format!("mono {}", owner(&cell.value)), &cell.value);
            if let Some((row, label)) = arrow
                && row == n
            {
                self.text(x - 42, y + 14, "mono arrow", &format!("{label} ▶"));
            }
            y += ROW;
        }
        y
    }
}

/// Whose a value is, for its colour.
fn owner(value: &str) -> &'static str {
    let kernels = [
        "kernel",
        "frame of",
        "the C library",
        "C 库",
        "back in",
        "anchor",
        "context",
        "call entry",
        "enter_hosted",
        "run",
    ];
    match value {
        "0" | "…" | "–" | "" => "nobody",
        _ if kernels.iter().any(|begin| value.starts_with(begin)) => "kernel",
        _ => "user",
    }
}

/// Draws the moment after `step`. `last` is the step before.
pub fn draw(
    number: usize,
    step: &Step<'_>,
    last: Option<&Step<'_>>,
    names: &Names,
    language: usize,
) -> String {
    let words = &WORDS[language];
    let (before, after) = (&step.executed[0].before, &step.executed[step.executed.len() - 1].after);
    let old_written = last.map_or([false; REGISTERS.len()], |last| last.written);
    let old_depth = last.map_or(0, |last| last.depth);
    let cell =
        |name: &str, old: String, value: String| Cell { name: name.into(), changed: old != value, value };

    let mut registers = vec![
        cell("rip", names.code(before.regs.rip), names.code(after.regs.rip)),
        cell("fs", names.value(before.regs.fs_base), names.value(after.regs.fs_base)),
        cell("gs", names.value(before.regs.gs_base), names.value(after.regs.gs_base)),
        cell("flags", last.map_or(step.flags, |last| last.flags).into(), step.flags.into()),
        cell(words.vectors, last.map_or(step.vectors, |last| last.vectors).into(), step.vectors.into()),
    ];
    for (n, register) in REGISTERS.into_iter().enumerate() {
        let old = names.register(register, &before.regs, old_written[n]);
        let new = names.register(register, &after.regs, step.written[n]);
        registers.push(cell(&register_name(register), old, new));
    }
    let context: Vec<Cell> = CONTEXT_NAMES
        .iter()
        .enumerate()
        .map(|(n, name)| cell(name, names.value(before.context[n]), names.value(after.context[n])))
        .collect();
    let anchor: Vec<Cell> = ANCHOR_FIELDS
        .iter()
        .enumerate()
        .filter(|(_, (name, ..))| !["this", "hosted", "vectors", "no_fsgsbase"].contains(name))
        .map(|(n, (name, ..))| cell(name, names.value(before.anchor[n]), names.value(after.anchor[n])))
        .collect();
    let word = |moment, depth: usize, n| if n < depth { names.kernel_word(moment, n) } else { "–".into() };
    let mut kernel_stack = vec![cell("+0", words.own_frame.into(), words.own_frame.into())];
    kernel_stack.extend(
        (0..KERNEL_WORDS).map(|n| {
            cell(&format!("−{}", 8 * (n + 1)), word(before, old_depth, n), word(after, step.depth, n))
        }),
    );
    let mut user_stack = vec![cell("+0", "–".into(), "–".into())];
    user_stack.extend((0..USER_WORDS).map(|n| {
        let value = |word: u64| if word == 0 { "–".into() } else { names.value(word) };
        cell(&format!("−{}", 8 * (n + 1)), value(before.user_stack[n]), value(after.user_stack[n]))
    }));
    let rsp = value_of(&after.regs, iced_x86::Register::RSP);
    let points_to =
        |top: u64, rows: usize| (0..rows).find(|n| rsp == top - 8 * *n as u64).map(|n| (n, "rsp"));
    let fs = after.regs.fs_base;
    let tls = ["kernel TLS", "user TLS"]
        .iter()
        .zip(words.owners)
        .map(|(name, owner)| cell(name, owner.into(), owner.into()))
        .collect::<Vec<Cell>>();
    let fs_row = if fs == names.places.user_tls { 1 } else { 0 };
    let arrow = Some((fs_row, "fs"));

    let mut p = Picture(String::new());
    writeln!(
        p.0,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">
<style>
text {{ font: 13px sans-serif; fill: #222 }}
.mono {{ font: 12px monospace }}
.heading {{ font: bold 18px sans-serif }}
.title {{ font: bold 13px sans-serif; fill: #555 }}
.kernel {{ fill: #1a4fa0 }} .user {{ fill: #137333 }} .nobody {{ fill: #999 }}
.arrow {{ fill: #c5221f; font-weight: bold }}
.name {{ fill: #f1f3f4; stroke: #bdc1c6 }} .value {{ fill: #fff; stroke: #bdc1c6 }} .changed {{ fill: #fef3b0; stroke: #bdc1c6 }}
</style>"#
    )
    .unwrap();
    p.rect(0, 0, WIDTH, HEIGHT, "value");
    p.text(20, 32, "heading", &format!("{number}. {}", step.titles[language]));
    p.table((20, 66), (66, 170), words.registers, &registers, None);
    let y = p.table((310, 66), (118, 170), words.anchor, &anchor, None);
    let y = p.table((310, y + 34), (118, 170), words.tls, &tls, arrow);
    p.table((310, y + 34), (118, 170), words.user_stack, &user_stack, points_to(names.places.user_stack, 3));
    let stack_rows = kernel_stack.len();
    let rsp_row = points_to(names.places.kernel_stack, stack_rows);
    p.table((310, HEIGHT - 20 - stack_rows * ROW), (118, 170), words.kernel_stack, &kernel_stack, rsp_row);
    p.table((680, 66), (100, 170), words.context, &context, None);
    p.0.push_str("</svg>\n");
    p.0
}

//! Makes the pictures and tables of `docs/walkthrough.md` and `docs/walkthrough.zh.md` by single-stepping one round
//! trip of `Context::run` and the call entry. The prose is written by hand; what lies between two marks is not.
//!
//! `cargo run -p fncall --example walkthrough -- docs` writes; with `--check` first it only compares, and fails when
//! a file is not what the code does.

mod names;
mod steps;
mod svg;
mod trace;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use names::{CONTEXT_NAMES, Names, REGISTERS, register_name};
use steps::Step;

const DOCUMENTS: [&str; 2] = ["walkthrough.md", "walkthrough.zh.md"];
/// Beginnings of the pictures' file names.
const LANGUAGES: [&str; 2] = ["en", "zh"];

fn table(step: &Step<'_>, language: usize) -> String {
    let head = [["instruction", "what it changes"], ["指令", "改变了什么"]][language];
    let mut text = format!("| {} | {} |\n|---|---|\n", head[0], head[1]);
    for row in &step.rows {
        let code = &row.text[language];
        let code = if row.text[0] == row.text[1] { format!("`{code}`") } else { code.clone() };
        let effect = if row.effect.is_empty() { "–" } else { &row.effect };
        writeln!(text, "| {code} | {effect} |").unwrap();
    }
    text
}

/// Every register: what the context held, what the program had first and last, what the context holds, and what the
/// kernel finds in the processor when `run` returns.
fn register_table(steps: &[Step<'_>], names: &Names, language: usize) -> String {
    let head = [
        [
            "register",
            "context before",
            "program starts with",
            "program leaves with",
            "context after",
            "kernel finds",
        ],
        ["寄存器", "进入前的上下文", "程序开始时", "程序离开时", "返回后的上下文", "内核看到"],
    ][language];
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    let before = &steps[0].executed[0].before;
    let (enters, leaves) = (&steps[7].executed[0].before, &steps[8].executed[0].after);
    let last = &steps[steps.len() - 1];
    let after = &last.executed[last.executed.len() - 1].after;
    for (n, register) in REGISTERS.into_iter().enumerate() {
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            register_name(register),
            names.value(before.context[n]),
            names.register(register, &enters.regs, true),
            names.register(register, &leaves.regs, true),
            names.value(after.context[n]),
            names.register(register, &after.regs, last.written[n]),
        )
        .unwrap();
    }
    for (n, bases) in [
        (16, [enters.regs.rip, names.places.program_after, after.regs.rip]),
        (18, [enters.regs.fs_base, leaves.regs.fs_base, after.regs.fs_base]),
    ] {
        let [enters, leaves, finds] = bases.map(|value| names.value(value));
        let [before, after] = [before, after].map(|moment| names.value(moment.context[n]));
        writeln!(text, "| {} | {before} | {enters} | {leaves} | {after} | {finds} |", CONTEXT_NAMES[n])
            .unwrap();
    }
    text
}

/// Replaces what lies between `<!-- generated: NAME -->` and `<!-- end -->`.
fn replace(document: &str, name: &str, with: &str) -> Result<String, String> {
    let mark = format!("<!-- generated: {name} -->\n");
    let begin = document.find(&mark).ok_or(format!("no mark {name:?}"))? + mark.len();
    let end = begin + document[begin..].find("<!-- end -->").ok_or(format!("no end of {name:?}"))?;
    Ok(format!("{}{with}{}", &document[..begin], &document[end..]))
}

/// All files as they should be.
fn generate(docs: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let trace = trace::record();
    let names = Names { places: trace.places, start: trace.executed[0].before.regs };
    let steps = steps::divide(&trace, &names);
    let mut files = vec![];
    for (language, name) in DOCUMENTS.into_iter().enumerate() {
        let path = docs.join(name);
        let mut document =
            std::fs::read_to_string(&path).map_err(|err| format!("{}: {err}", path.display()))?;
        for (n, step) in steps.iter().enumerate() {
            let picture = format!("walkthrough/{}-{:02}.svg", LANGUAGES[language], n + 1);
            let last = n.checked_sub(1).map(|n| &steps[n]);
            files.push((docs.join(&picture), svg::draw(n + 1, step, last, &names, language)));
            let with = format!("![{}]({picture})\n\n{}", step.titles[language], table(step, language));
            document = replace(&document, &format!("step {}", n + 1), &with)?;
        }
        document = replace(&document, "registers", &register_table(&steps, &names, language))?;
        files.push((path, document));
    }
    Ok(files)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let check = args.first().is_some_and(|arg| arg == "--check");
    let [docs] = &args[usize::from(check)..] else {
        eprintln!("usage: walkthrough [--check] DIRECTORY");
        return ExitCode::from(2);
    };
    let files = match generate(Path::new(docs)) {
        Ok(files) => files,
        Err(err) => {
            eprintln!("{err}");
            return ExitCode::FAILURE;
        }
    };
    let mut stale = false;
    for (path, should) in files {
        let is = std::fs::read_to_string(&path).unwrap_or_default();
        if check && is != should {
            stale = true;
            let differ = is.lines().zip(should.lines()).find(|(is, should)| is != should);
            eprintln!("{} is stale: {:?}", path.display(), differ.unwrap_or_default());
        } else if !check && is != should {
            std::fs::write(&path, should).unwrap();
        }
    }
    if stale { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

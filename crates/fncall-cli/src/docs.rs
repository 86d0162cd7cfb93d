//! Manual pages and shell completions, made from the same definitions that read the options.

use std::io;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold};

use crate::error::CliError;
use crate::options::{ENVIRONMENT, EXIT_CODES, Options};

/// The page of `fncall`, or of one of its commands.
pub(crate) fn man(command: Option<&str>) -> Result<Vec<u8>, CliError> {
    let mut whole = Options::command();
    // Fills in the names "fncall run" and so on.
    whole.build();
    let page = match command {
        None => whole,
        Some(name) => {
            let found = whole.find_subcommand(name).cloned();
            found.ok_or_else(|| CliError::NoSuchCommand(name.to_owned()))?
        }
    };
    render(page).map_err(CliError::Output)
}

fn render(page: Command) -> io::Result<Vec<u8>> {
    let is_run = page.get_name() == "run";
    let has_commands = page.has_subcommands();
    let page = Man::new(page).source(concat!("fncall ", env!("CARGO_PKG_VERSION")));
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if has_commands {
        page.render_subcommands_section(&mut out)?;
    }
    if is_run {
        section("ENVIRONMENT", &ENVIRONMENT).to_writer(&mut out)?;
        section("EXIT STATUS", &EXIT_CODES).to_writer(&mut out)?;
    }
    Ok(out)
}

/// A section that lists names and meanings. In help texts the same lists are laid out in columns, which a
/// manual page would fill up to paragraphs.
fn section(title: &str, rows: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    for (name, meaning) in rows {
        roff.control("TP", []).text([bold(*name)]).text([(*meaning).into()]);
    }
    roff
}

/// A script for `shell` to source.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Options::command(), "fncall", &mut script);
    script
}

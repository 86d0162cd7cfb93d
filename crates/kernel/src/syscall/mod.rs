//! System calls: one file for each man page, one table for all.

pub mod table;

use crate::Result;
use crate::task::Current;
use crate::uaccess::Args;

/// What answers a system call. The value goes to `rax`, an error negated.
pub type Handler = fn(&mut Current<'_>, &Args) -> Result<usize>;

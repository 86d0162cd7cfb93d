//! rewriter
#![no_std]
